-- In the spirit of TPC-C: three warehouses, its transactions' statements, names of our own.
CREATE TABLE warehouse (w_id int PRIMARY KEY, w_name varchar(10), w_state char(2), w_tax numeric(4, 4), w_ytd numeric(12, 2));
CREATE TABLE district (d_w_id int REFERENCES warehouse, d_id int, d_name varchar(10), d_tax numeric(4, 4), d_ytd numeric(12, 2), d_next_o_id int, PRIMARY KEY (d_w_id, d_id));
CREATE TABLE customer (c_w_id int, c_d_id int, c_id int, c_first varchar(16), c_middle char(2), c_last varchar(16), c_since timestamp, c_credit char(2), c_discount numeric(4, 4),
	c_balance numeric(12, 2), c_data varchar(200), PRIMARY KEY (c_w_id, c_d_id, c_id), FOREIGN KEY (c_w_id, c_d_id) REFERENCES district);
CREATE TABLE history (h_c_id int, h_c_d_id int, h_c_w_id int, h_d_id int, h_w_id int, h_date timestamp, h_amount numeric(6, 2));
CREATE TABLE orders (o_w_id int, o_d_id int, o_id int, o_c_id int, o_entry_d timestamp, o_carrier_id int, o_ol_cnt int, o_all_local int, PRIMARY KEY (o_w_id, o_d_id, o_id),
	FOREIGN KEY (o_w_id, o_d_id, o_c_id) REFERENCES customer);
CREATE TABLE new_order (no_w_id int, no_d_id int, no_o_id int, PRIMARY KEY (no_w_id, no_d_id, no_o_id), FOREIGN KEY (no_w_id, no_d_id, no_o_id) REFERENCES orders);
CREATE TABLE item (i_id int PRIMARY KEY, i_im_id int, i_name varchar(24), i_price numeric(5, 2), i_data varchar(50));
CREATE TABLE stock (s_w_id int REFERENCES warehouse, s_i_id int REFERENCES item, s_quantity int, s_dist char(24), s_ytd int, s_order_cnt int, s_data varchar(50), PRIMARY KEY (s_w_id, s_i_id));
CREATE TABLE order_line (ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id int, ol_supply_w_id int, ol_delivery_d timestamp, ol_quantity int, ol_amount numeric(6, 2), ol_dist_info char(24),
	PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number), FOREIGN KEY (ol_w_id, ol_d_id, ol_o_id) REFERENCES orders, FOREIGN KEY (ol_supply_w_id, ol_i_id) REFERENCES stock);
INSERT INTO warehouse SELECT n, 'w' || n, 'NY', random() * 0.2, 300000 FROM generate_series(1, 3) n;
INSERT INTO district SELECT w, d, 'd' || d, random() * 0.2, 30000, 2001 FROM generate_series(1, 3) w, generate_series(1, 10) d;
INSERT INTO customer SELECT w, d, c, 'first' || c % 500, 'OE', (ARRAY['BAR', 'OUGHT', 'ABLE', 'PRI', 'PRES', 'ESE', 'ANTI', 'CALLY', 'ATION', 'EING'])[1 + c / 100 % 10] ||
	(ARRAY['BAR', 'OUGHT', 'ABLE', 'PRI', 'PRES', 'ESE', 'ANTI', 'CALLY', 'ATION', 'EING'])[1 + c % 10], localtimestamp - random() * interval '3 years', CASE WHEN random() < 0.1 THEN 'BC' ELSE 'GC' END,
	random() * 0.5, (random() ^ 2 * 5000 - 100)::numeric, repeat('x', 50 + (random() * 100)::int) FROM generate_series(1, 3) w, generate_series(1, 10) d, generate_series(1, 1500) c;
INSERT INTO item SELECT n, (random() * 10000)::int, 'item' || n, 1 + random() * 99, repeat('y', 30) || CASE WHEN random() < 0.1 THEN 'ORIGINAL' ELSE '' END FROM generate_series(1, 20000) n;
INSERT INTO stock SELECT w, i, 10 + (random() * 90)::int, repeat('s', 24), 0, (random() ^ 3 * 50)::int, repeat('z', 30) FROM generate_series(1, 3) w, generate_series(1, 20000) i;
INSERT INTO orders SELECT w, d, o, 1 + (random() * 1499)::int, localtimestamp - (2001 - o) * interval '20 minutes', CASE WHEN o < 1500 THEN 1 + (random() * 9)::int END, 5 + o % 11, 1
	FROM generate_series(1, 3) w, generate_series(1, 10) d, generate_series(1, 2000) o;
INSERT INTO new_order SELECT o_w_id, o_d_id, o_id FROM orders WHERE o_id >= 1500;
INSERT INTO order_line SELECT o_w_id, o_d_id, o_id, l, 1 + (random() ^ 2 * 19999)::int, o_w_id, CASE WHEN o_id < 1500 THEN o_entry_d END, 5, random() ^ 2 * 9000, repeat('t', 24) FROM orders, generate_series(1, 6) l;
INSERT INTO history SELECT c_id, c_d_id, c_w_id, c_d_id, c_w_id, c_since, 10 FROM customer;
CREATE INDEX customer_name_idx ON customer (c_w_id, c_d_id, c_last, c_first);
CREATE INDEX orders_customer_idx ON orders (o_w_id, o_d_id, o_c_id, o_id);
-- @ queries; dropped: customer_name_idx
SELECT c_discount, c_last, c_credit, w_tax FROM customer, warehouse WHERE w_id = 2 AND c_w_id = w_id AND c_d_id = 5 AND c_id = 700;
SELECT d_next_o_id, d_tax FROM district WHERE d_w_id = 2 AND d_id = 5 FOR UPDATE;
UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = 2 AND d_id = 5;
INSERT INTO new_order (no_w_id, no_d_id, no_o_id) SELECT 2, 5, 1400 WHERE NOT EXISTS (SELECT FROM new_order WHERE no_w_id = 2 AND no_d_id = 5 AND no_o_id = 1400);
SELECT i_price, i_name, i_data FROM item WHERE i_id = 12345;
SELECT s_quantity, s_data, s_dist FROM stock WHERE s_w_id = 2 AND s_i_id = 12345 FOR UPDATE;
UPDATE stock SET s_quantity = 20 WHERE s_w_id = 2 AND s_i_id = 12345;
UPDATE warehouse SET w_ytd = w_ytd + 100 WHERE w_id = 1;
SELECT count(c_id) FROM customer WHERE c_w_id = 1 AND c_d_id = 3 AND c_last = 'BAROUGHT';
SELECT c_balance, c_first, c_id FROM customer WHERE c_w_id = 1 AND c_d_id = 3 AND c_last = 'ESEANTI' ORDER BY c_first;
SELECT o_id, o_carrier_id, o_entry_d FROM orders WHERE o_w_id = 1 AND o_d_id = 3 AND o_c_id = 400 ORDER BY o_id DESC LIMIT 1;
SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line WHERE ol_w_id = 1 AND ol_d_id = 3 AND ol_o_id = 1900;
SELECT no_o_id FROM new_order WHERE no_d_id = 3 AND no_w_id = 1 ORDER BY no_o_id LIMIT 1;
DELETE FROM new_order WHERE no_o_id = 1600 AND no_d_id = 3 AND no_w_id = 1;
UPDATE orders SET o_carrier_id = 4 WHERE o_id = 1600 AND o_d_id = 3 AND o_w_id = 1;
SELECT sum(ol_amount) FROM order_line WHERE ol_o_id = 1600 AND ol_d_id = 3 AND ol_w_id = 1;
SELECT count(DISTINCT s_i_id) FROM order_line, stock WHERE ol_w_id = 2 AND ol_d_id = 5 AND ol_o_id < 2001 AND ol_o_id >= 1981 AND s_w_id = 2 AND s_i_id = ol_i_id AND s_quantity < 15;
SELECT o.o_id, sum(ol.ol_amount) FROM orders o JOIN order_line ol ON ol.ol_w_id = o.o_w_id AND ol.ol_d_id = o.o_d_id AND ol.ol_o_id = o.o_id WHERE o.o_entry_d > localtimestamp - interval '1 day' GROUP BY o.o_id ORDER BY 2 DESC LIMIT 5;
SELECT c.c_last, count(*) FROM customer c JOIN orders o ON o.o_w_id = c.c_w_id AND o.o_d_id = c.c_d_id AND o.o_c_id = c.c_id WHERE c.c_credit = 'BC' AND o.o_carrier_id IS NULL GROUP BY c.c_last;
SELECT count(*) FROM customer WHERE c_balance > 4500 AND c_since < localtimestamp - interval '2 years';

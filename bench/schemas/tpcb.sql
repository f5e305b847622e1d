-- The tables of pgbench, its transaction, and what somebody asks of them in the evening.
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 90);
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
INSERT INTO pgbench_branches SELECT n, 0, NULL FROM generate_series(1, 4) n;
INSERT INTO pgbench_tellers SELECT n, 1 + n % 4, 0, NULL FROM generate_series(1, 40) n;
INSERT INTO pgbench_accounts SELECT n, 1 + n % 4, (random() * 10000 - 5000)::int, '' FROM generate_series(1, 400000) n;
INSERT INTO pgbench_history SELECT 1 + n % 40, 1 + n % 4, 1 + (random() ^ 2 * 399998)::int, (random() * 10000 - 5000)::int, localtimestamp - random() * interval '3 days' FROM generate_series(1, 60000) n;
CREATE INDEX pgbench_history_aid_idx ON pgbench_history (aid, mtime);
-- @ queries; dropped: pgbench_history_aid_idx
UPDATE pgbench_accounts SET abalance = abalance + 77 WHERE aid = 300001;
SELECT abalance FROM pgbench_accounts WHERE aid = 17;
UPDATE pgbench_tellers SET tbalance = tbalance + 77 WHERE tid = 7;
UPDATE pgbench_branches SET bbalance = bbalance + 77 WHERE bid = 2;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (7, 2, 300001, 77, CURRENT_TIMESTAMP);
SELECT count(*) FROM pgbench_accounts WHERE abalance < -4900;
SELECT count(*) FROM pgbench_history WHERE aid = 1500 AND mtime > localtimestamp - interval '1 day';
SELECT b.bid, sum(h.delta) FROM pgbench_branches b JOIN pgbench_history h ON h.bid = b.bid WHERE h.mtime > localtimestamp - interval '3 hours' GROUP BY b.bid;
SELECT a.aid, a.abalance FROM pgbench_accounts a WHERE a.bid = 3 ORDER BY a.abalance DESC LIMIT 20;
SELECT a.bid, count(*) FROM pgbench_accounts a JOIN pgbench_history h ON h.aid = a.aid WHERE h.delta > 4990 GROUP BY a.bid;

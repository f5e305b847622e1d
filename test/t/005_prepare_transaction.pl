# PREPARE TRANSACTION is where a two-phase transaction is judged: COMMIT PREPARED must never fail.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);

make_table($s, 't');
my $auth = use_index($node, 't');
my $drop = 'DROP INDEX t_a_idx';
my $prepared = 'SELECT count(*) FROM pg_prepared_xacts';

refused($s->query("BEGIN; $drop; PREPARE TRANSACTION 'a'"),
	qr/cannot drop index "public.t_a_idx": guard s\w+ auth/, 'without a replacement PREPARE TRANSACTION is refused');
is($s->value($prepared), 0, 'no prepared transaction is left');
is(index_state($s, 't_a_idx'), 'valid ready live', 'the index is there');
is($s->value("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass"), 0, 'no lock is left');

passed($s->query("BEGIN; $drop; CREATE INDEX other ON t (a); PREPARE TRANSACTION 'b'"), 'with a replacement it passes');
is($s->value($prepared), 1, 'and is prepared');

# The session has forgotten all of it: what it does next is not judged together with that.
passed($s->query('BEGIN; CREATE TABLE unrelated (a int); COMMIT'), 'the next transaction of the session is its own');
passed($s->query("ROLLBACK PREPARED 'b'"), 'ROLLBACK PREPARED');
is(index_state($s, 't_a_idx'), 'valid ready live', 'the index is back');
is(verdict($s, 't_a_idx'), 'block hot', 'and as hot as it was');
is($s->value(q{SELECT count(*) FROM guard.audit_log WHERE verdict <> 'block'}), 0, 'the audit log knows of no drop');

$s->ok("BEGIN; $drop; CREATE INDEX other ON t (a); PREPARE TRANSACTION 'c'");
passed($s->query("COMMIT PREPARED 'c'"), 'COMMIT PREPARED');
is(index_state($s, 't_a_idx'), 'gone', 'the index is gone');
is($s->value("SELECT count(*) FROM guard.audit_log WHERE index_name = 'public.t_a_idx' AND verdict <> 'block'"), 1, 'the audit log has it');
refused($s->query('DROP INDEX other'), qr/cannot drop index "public.other": guard s\w+ auth/, 'and the replacement has inherited its use');

$node->stop;
done_testing();

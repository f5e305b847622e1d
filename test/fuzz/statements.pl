#!/usr/bin/perl
# statements.pl SEED COUNT: print statements that call guard's functions, read its views and set its settings with arguments
# of every kind, and some DDL between them.
use strict;
use warnings;

my ($seed, $count) = @ARGV;
srand($seed);
sub one { $_[rand @_] }

my @relations = (qw(t t_pkey t_b t_c t_expression t_d p p1 p11 p_a p_only p1_a_idx child child_a x x_a_excl v m m_a s composite f u u_a
	pg_class pg_class_oid_index pg_stat_activity pg_toast.pg_toast_1255 guard.audit_log information_schema.tables),
	q{"odd ""name' -- USING"}, '"x USING btree (s) --"');
my @words = ('', ' ', 'auth', 'auth/2.9', 'v2.10-rc1', '2025-11-04', 'x' x 70, "\xc3\xa9" x 40, "a\tb\nc", "'", '"', '\\', '%s/%v',
	'$1', 'NaN', '-1', '9223372036854775808', '1 hour', 'infinity', '{}', '[1,2]', '{"a":null}', 'public.t_b, "t_c', 'a.b.c', ',', '"";,');
my @scripts = ('DROP INDEX t_b', 'CREATE INDEX i ON t (a); DROP INDEX t_b', 'x(;', 'CREATE INDEX i ON t_b (a);', 'ALTER TABLE t_b ADD COLUMN a int UNIQUE;',
	'ALTER TABLE s RENAME TO y; CREATE INDEX k ON y (a);', 'ALTER TABLE v ADD PRIMARY KEY (a);', 'DROP TABLE p CASCADE', "DO \$\$ x \$\$",
	'BEGIN; DROP INDEX t_c; ROLLBACK', '\\i /etc/passwd', "SELECT '", 'CREATE TABLE t (LIKE t INCLUDING ALL)', 'DROP SCHEMA public CASCADE',
	'ALTER TABLE composite DROP COLUMN a', 'ALTER INDEX p_a ATTACH PARTITION p_only', 'COPY t FROM STDIN;', 'ALTER TABLE ONLY p DROP CONSTRAINT x');
my @functions = map { [split] } grep { /\S/ } split /\n/, <<'F';
check regclass
index_statements regclass
what_if regclass
protect regclass text
unprotect regclass
add_dependency regclass text text text
remove_dependency regclass text
report_deployment text text
approve regclass text interval
revoke_approval regclass
hide regclass text
unhide regclass
restore text
last_drops interval
compare_versions text text
service_of text text
snapshot
prune_audit_log
test_alert
F
my @views = qw(indexes status dependencies deployments approvals soft_drops audit_log pool_health metrics);
my @settings = qw(without_index application_name_pattern mode hot_action unknown_action lookback quiet_period rebuild_limit two_person
	harmless_cost_ratio whatif_interval trial_period);

sub quoted { my $s = shift; $s =~ s/'/''/g; $s =~ s/\\/\\\\/g; return " E'$s'" }
sub mutated
{
	my $s = shift;
	for (1 .. int rand 4)
	{
		my $at = int rand(1 + length $s);
		my $what = rand;
		if ($what < 0.3) { substr($s, $at, 1, '') if $at < length $s }
		elsif ($what < 0.6) { substr($s, $at, 0, one(' ', ';', "'", '"', '(', ')', '.', '-', '/', '$', '9', 'z', "\n")) }
		else { $s .= one(@_, $s) }
	}
	return $s;
}
sub argument
{
	my $type = shift;
	return 'NULL' if rand() < 0.08;
	return quoted(one(@relations)) . '::regclass' if $type eq 'regclass' && rand() < 0.9;
	return one(0, 1, 4294967295, 1259, 99999) . '::oid::regclass' if $type eq 'regclass';
	return one("'1 hour'", "'-1 day'", "'1000000 years'", "'0'") . '::interval' if $type eq 'interval';
	return one('true', 'false') if $type eq 'boolean';
	return quoted(mutated(one(@scripts), @scripts)) if $type eq 'script';
	return quoted(rand() < 0.5 ? one(@words, @relations) : mutated(one(@words), @words));
}

for (1 .. $count)
{
	my $what = rand;
	if ($what < 0.6)
	{
		my ($name, @types) = @{ one(@functions) };
		print "SELECT * FROM guard.$name(" . join(', ', map { argument($_) } @types) . ");\n";
	}
	elsif ($what < 0.68) { print 'SELECT * FROM guard.' . one(@views) . ";\n" }
	elsif ($what < 0.78) { print 'SET guard.' . one(@settings) . ' =' . quoted(mutated(one(@words, 'observe', 'delay', 'block', 'off', '1s'), @words)) . ";\n" }
	elsif ($what < 0.82) { print 'SET application_name =' . quoted(mutated(one(@words), @words)) . ";\n" }
	elsif ($what < 0.84) { print one('SET ROLE owner1', 'SET ROLE nobody1', 'RESET ROLE', 'RESET ALL') . ";\n" }
	elsif ($what < 0.88) { print one('BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'ROLLBACK TO a') . ";\n" }
	elsif ($what < 0.94) { print 'EXPLAIN SELECT * FROM t WHERE ' . one("b = '1'", 'c @> ARRAY[1]', "lower(b) = 'x' AND a > 20", 'd = 1') . ";\n" }
	else
	{
		print one('DROP INDEX t_b', 'CREATE INDEX t_b ON t (b)', 'REINDEX INDEX t_b', 'ALTER INDEX t_c RENAME TO t_c2', 'ALTER INDEX t_c2 RENAME TO t_c',
			'DROP INDEX CONCURRENTLY t_b', 'ALTER TABLE t DROP COLUMN d', 'ALTER TABLE t ADD COLUMN d int', 'TRUNCATE m', 'DROP TABLE u',
			'ALTER TABLE p DETACH PARTITION p1', 'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (100)', 'ANALYZE t') . ";\n";
	}
}

# What the update script of an extension does to its own tables is not judged, but written down.  What it does to other people's
# is judged like anybody's.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
my $folder = $node->config_data('--sharedir') . '/extension';
plan skip_all => "$folder cannot be written" unless -w $folder;

my @made;
END { unlink @made }

sub put
{
	my ($name, $text) = @_;

	push @made, "$folder/$name";
	append_to_file($made[-1], $text);
}

put('guard_sample.control', "default_version = '1'\nrelocatable = true\n");
put('guard_sample--1.sql', <<'END');
CREATE TABLE sample_log (a int, b int, c text);
CREATE TABLE sample_old (a int, c text);
INSERT INTO sample_log SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1, 1000) g;
CREATE INDEX sample_log_a ON sample_log (a);
CREATE INDEX sample_old_a ON sample_old (a);
END
put('guard_sample--1--2.sql', "DROP INDEX sample_log_a;\nDROP TABLE sample_old;\n");
put('guard_sample--2--3.sql', "DROP INDEX t_a_idx;\n");

$s->ok('CREATE EXTENSION guard_sample');
make_table($s, 't');
$s->ok('VACUUM ANALYZE sample_log');
use_index($node, $_)->close foreach 'sample_log', 't';
is(verdict($s, 'sample_log_a'), 'block hot', 'an index of an extension is judged like any other');

passed($s->query("ALTER EXTENSION guard_sample UPDATE TO '2'"), 'its own script is not');
is($s->value(q{SELECT string_agg(concat_ws(' ', verdict, index_name, reason), ', ' ORDER BY index_name) FROM guard.audit_log WHERE index_name LIKE 'public.sample%'}),
	'unjudged public.sample_log_a extension, unjudged public.sample_old_a extension', 'but what it dropped is written down');
is($s->value(q{SELECT string_agg(index_name, ', ' ORDER BY index_name) FROM guard.last_drops()}),
	'public.sample_log_a, public.sample_old_a', 'and shown to whom latency jumped');
refused($s->query("ALTER EXTENSION guard_sample UPDATE TO '3'"), qr/cannot drop index "public\.t_a_idx"/, 'what is not its own is judged');

done_testing();

# pg_restore --clean goes on after errors.  Over a table in use it must not be let have the key, which nobody reads, and be refused
# the rest: it would copy all rows once more into a table that has no key any more.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $dir = PostgreSQL::Test::Utils::tempdir;
my $s = session($node);
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
delete local $ENV{PGAPPNAME};    # pg_restore goes by its own name

# What a table has after this restore: rows, different ones, keys, indexes; and what pg_restore said.
sub after
{
	my ($table, @options) = @_;
	my $said = '';

	command_ok([ 'pg_dump', '-Fc', '-t', $table, '-f', "$dir/$table", 'postgres' ], "$table: pg_dump") unless -e "$dir/$table";
	IPC::Run::run([ 'pg_restore', '--clean', '--if-exists', '-d', 'postgres', @options, "$dir/$table" ], '>&', \$said);
	return ($s->value("SELECT count(*) || ' ' || count(DISTINCT a) FROM $table"),
		$s->value("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = '$table'::regclass"), $said);
}

foreach (qw(busy unique_only idle))
{
	make_table($s, $_);
	$s->ok($_ eq 'unique_only' ? "CREATE UNIQUE INDEX ${_}_key ON $_ (c)" : "ALTER TABLE $_ ADD CONSTRAINT ${_}_key PRIMARY KEY (c)");
	use_index($node, $_)->close unless $_ eq 'idle';
}

foreach my $table (qw(busy unique_only))
{
	my ($rows, $indexes, $said) = after($table);

	is($rows, '1000 1000', "$table: no row is there twice");
	is($indexes, "${table}_a_idx ${table}_key", "$table: the key is there");
	like($said, qr/cannot drop key "public.${table}_key" of table "public.$table": guard s\w+ auth use it/, "$table: it was asked for, and refused");
	like($said, qr/HINT:  .*pg_restore goes on after errors.*--single-transaction or --exit-on-error/, "$table: the hint is for pg_restore");

	($rows, $indexes, $said) = after($table, '--exit-on-error');
	is("$rows $indexes", "1000 1000 ${table}_a_idx ${table}_key", "$table, --exit-on-error: nothing happens");

	($rows, $indexes, $said) = after($table, '--single-transaction');
	is("$rows $indexes", "1000 1000 ${table}_a_idx ${table}_key", "$table, --single-transaction: replaced as a whole");
	unlike($said, qr/error/, "$table, --single-transaction: without an error");
}

# By anybody else a key that nobody reads is dropped by the person's word, and nothing is said of pg_restore.
use_index($node, 'busy')->close;
my $r = $s->query('DROP INDEX busy_a_idx');
refused($r, qr/guard s\w+ auth use it/, 'a person is refused what is in use');
unlike($r->{error}{H}, qr/pg_restore/, 'and hears nothing of pg_restore');
passed($s->query('ALTER TABLE busy DROP CONSTRAINT busy_key'), 'and may drop an idle key');

my ($rows, $indexes, $said) = after('idle');
is("$rows $indexes", '1000 1000 idle_a_idx idle_key', 'a table that nobody uses is replaced');
unlike($said, qr/error/, 'without an error');

done_testing();

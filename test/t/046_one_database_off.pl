# A session that runs uncaptured is a gap in its own database, from the first statement that touches a table there, and nowhere else.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "guard.min_evidence_age = 0\n");
my $prod = session($node);
$prod->ok('CREATE DATABASE staging');
$prod->ok('CREATE DATABASE bare');
my $setup = session($node, dbname => 'staging');
$setup->ok('CREATE EXTENSION guard');
make_table($setup, 't');
my $bare = session($node, dbname => 'bare');
$bare->ok('CREATE TABLE t (a int)');
make_table($prod, 't');

my $state = "SELECT state FROM guard.status WHERE item = 'capture'";

sub since
{
	return $prod->value($state);
}

my $since = since();
like($since, qr/^since /, 'every session of production is captured');

# ---- every way to be uncaptured somewhere else changes nothing here

$prod->ok("ALTER DATABASE staging SET guard.mode = 'off'");
my $off = session($node, dbname => 'staging');
$off->ok('SELECT count(*) FROM t WHERE a = 1');
is(since(), $since, 'a database that is switched off, with a session at work');
is(verdict($prod, 't_a_idx'), 'allow cold', 'its use is no use of another database\'s');
like($setup->value($state), qr/^incomplete: 1 session is not captured/, 'there it is named');
my $second = session($node, dbname => 'staging', options => '-c guard.mode=off');
$second->ok('SELECT count(*) FROM t');
like($setup->value($state), qr/^incomplete: 2 sessions are not captured/, 'and counted');
$_->close foreach $off, $second;
wait_until($setup, "SELECT state ~ '^since .*, until when a session was not captured' FROM guard.status WHERE item = 'capture'");
ok(1, 'when they have gone it is a gap that has a date and a name');

$bare->ok("SET guard.mode = off; SELECT count(*) FROM t");
is(since(), $since, 'a session of a database without guard');
my $catalog = session($node, options => '-c guard.mode=off');
$catalog->ok('SELECT count(*) FROM pg_class; SELECT 1; CREATE TEMP TABLE x AS SELECT 1 AS a; SELECT * FROM x; EXPLAIN SELECT * FROM t');
is(since(), $since, 'a session of this one that looks at catalogs and temporary tables, and explains');
$catalog->ok('SELECT count(*) FROM t WHERE a = 1');
like(since(), qr/^incomplete: 1 session is/, 'until it reads a table');
$catalog->ok("SET guard.mode = enforce");
like(since(), qr/^since .*, until when a session was not captured/, 'and is switched on again');

# ---- all of a server, by reload: who was switched off is counted when he does something

$since = since();
$prod->ok("ALTER SYSTEM SET guard.capture = off");
$prod->ok('SELECT pg_reload_conf()');
my $worker = session($node);
wait_until($_, "SELECT current_setting('guard.capture') = 'off'") foreach $prod, $worker, $setup;
$setup->ok('SELECT count(*) FROM t');
$prod->ok('ALTER SYSTEM RESET guard.capture');
$prod->ok('SELECT pg_reload_conf()');
wait_until($_, "SELECT current_setting('guard.capture') = 'on'") foreach $prod, $worker, $setup;
is(since(), $since, 'nobody did anything here meanwhile');
unlike($setup->value($state), qr/^incomplete/, 'and nobody is uncaptured any more there');

# ---- over a clean restart: who was uncaptured until the end, there, and who was not, here

$prod->ok('SELECT count(*) FROM t WHERE a = 1');
$off = session($node, dbname => 'staging');
$off->ok('SELECT count(*) FROM t WHERE a = 1');
$_->close foreach $prod, $setup, $bare, $catalog, $worker;
$node->restart;
$prod = session($node);
is(since(), $since, 'a clean restart is no gap here, though somebody was uncaptured elsewhere');
$setup = session($node, dbname => 'staging', options => '-c guard.mode=enforce');
like($setup->value($state), qr/^since .*, until when a session was not captured/, 'where it is one');

$node->stop;
done_testing();

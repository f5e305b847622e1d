# Databases of four encodings in one server, all with clients in UTF-8: what guard says, stores and logs is valid in each of them,
# so that a refusal keeps its SQLSTATE, detail and hint, and the audit log can be read.

use strict;
use warnings FATAL => 'all';
use Encode;
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "guard.min_evidence_age = 0\n");
my $s = session($node);
my ($day, $e) = ("\xE6\x97\xA5", "\xC3\xA9");    # a character of three bytes in UTF-8, two in EUC_JP; one of two, one in LATIN1

# Of a role that was made in LATIN1: its name is the same byte everywhere, and no character in some.
my %databases = (
	utf8  => [ 'UTF8',      $day, 21, 'r\\xE9' ],
	japan => [ 'EUC_JP',    $day, 31, 'r\\xE9' ],
	latin => [ 'LATIN1',    $e,   63, "r$e" ],
	raw   => [ 'SQL_ASCII', $day, 21, 'r\\xE9' ]);

sub whole
{
	my ($string, $test) = @_;
	my $copy = $string;

	return ok(eval { decode('UTF-8', $copy, Encode::FB_CROAK); 1 }, $test);
}

$s->ok("CREATE DATABASE $_ TEMPLATE template0 ENCODING '$databases{$_}[0]' LC_COLLATE 'C' LC_CTYPE 'C'") foreach sort keys %databases;
session($node, dbname => 'latin', client_encoding => 'LATIN1')->ok("CREATE ROLE \"r\xE9\" LOGIN SUPERUSER");

foreach my $name (sort keys %databases)
{
	my ($encoding, $char, $fits, $role) = @{ $databases{$name} };
	my @here = (dbname => $name, client_encoding => 'UTF8');
	my $c = session($node, @here);

	$c->ok('CREATE EXTENSION guard');
	make_table($c, "\"$char\"", 'bare');
	$c->ok("ALTER TABLE \"$char\" ADD PRIMARY KEY (a)");
	$c->ok("CREATE INDEX \"i$char\" ON \"$char\" (b)");
	$c->ok("VACUUM ANALYZE \"$char\"");

	# PostgreSQL itself would not greet a client in UTF-8 by such a name.
	my $native = encode({ utf8 => 'UTF-8', japan => 'euc-jp', latin => 'iso-8859-1', raw => 'UTF-8' }->{$name}, decode('UTF-8', $char));
	my $auth = session($node, dbname => $name, user => "r\xE9", application_name => '');
	$auth->ok("INSERT INTO \"$native\" VALUES (1, 1, 'x') ON CONFLICT (a) DO NOTHING");
	$auth->close;

	my $r = $c->query("ALTER TABLE \"$char\" DROP CONSTRAINT \"${char}_pkey\"");
	refused($r, qr/^cannot drop index "public\.\W*${char}_pkey\W*": guard knows that INSERT \.\.\. ON CONFLICT/, "$name: an arbiter");
	like($r->{error}{D}, qr/In use: \Q$role\E used it/, "$name: by a role whose name is of another encoding");
	ok($r->{error}{H}, "$name: with a hint");
	whole($r->{error}{$_}, "$name: $_ is whole") foreach qw(M D H);
	like($c->value("SELECT detail FROM guard.check('\"${char}_pkey\"')"), qr/\Q$role\E used it/, "$name: guard.check");
	passed($c->query('SELECT * FROM guard.indexes'), "$name: guard.indexes");
	passed($c->query('SELECT * FROM guard.pool_health'), "$name: guard.pool_health");

	# what is cut: a reason, one byte off or not, a statement, a service
	foreach my $off ('', 'x', 'xx')
	{
		$c->ok("SELECT guard.protect('\"i$char\"', '$off' || repeat('$char', 300))");
		$r = $c->query("DROP INDEX \"i$char\" /*$off" . $char x 5000 . '*/');
		refused($r, qr/^cannot drop index "public\.\W*i$char\W*": guard protects it for \w+: $off($char)+\.\.\.$/, "$name: a long reason $off");
		whole($r->{error}{$_}, "$name: $_ is whole") foreach qw(M D H);
		is($c->value("SELECT length(guard.service_of('$off' || repeat('$char', 80), ''))"),
			$encoding eq 'SQL_ASCII' ? length($off) + 3 * int((63 - length $off) / 3) : length($off) + int((63 - length $off) / ($fits == 21 ? 3 : $fits == 31 ? 2 : 1)),
			"$name: guard.service_of");
		whole($c->value("SELECT guard.service_of('', '$off' || repeat('$char', 80))"), "$name: a role for a service");
	}
	session($node, dbname => $name, user => "r\xE9")->query("DROP INDEX \"i$native\"");
	wait_until($c, "SELECT count(*) >= 5 FROM guard.audit_log WHERE verdict = 'block'");
	$r = $c->query('SELECT statement, detail, login_role, facts FROM guard.audit_log ORDER BY at');
	passed($r, "$name: the audit log can be read");
	whole(join('|', map { $_ // '' } @$_), "$name: and is whole") foreach @{ $r->{rows} };
	is((grep { $_->[2] eq $role } @{ $r->{rows} }) ? 1 : 0, 1, "$name: it names who asked");
}

$node->stop;
done_testing();

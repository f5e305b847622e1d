# GuardTest: what guard's TAP tests share: servers, tables with an index in use, and what counts as refused or passed.

package GuardTest;

use strict;
use warnings FATAL => 'all';
use Exporter 'import';
use GuardSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(guard_server session make_table use_index wait_until
  refused passed failed index_state verdict has_extension version_of);

# A server with guard in database postgres.  Options: conf (lines for postgresql.conf), preload (shared_preload_libraries; ''
# for none), streaming (allows standbys), initdb (a system identifier of its own; or [ options of initdb ]), install_path (of another
# PostgreSQL), start and extension (0: not yet).
sub guard_server
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => $options{install_path});

	# A copied template would give every server the same system identifier.
	$node->init(
		allows_streaming => $options{streaming} // 0,
		force_initdb => $options{initdb} // 0,
		extra => ref $options{initdb} ? $options{initdb} : []);
	# Statements are not logged, so that what a test finds in the log was said by guard.
	$node->append_conf('postgresql.conf', "log_statement = none\n");
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '$options{preload}'\n")
	  if defined $options{preload};
	$node->append_conf('postgresql.conf', $options{conf})
	  if defined $options{conf};
	return $node if defined $options{start} && !$options{start};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION guard')
	  unless defined $options{extension} && !$options{extension};
	return $node;
}

# session($node, 'auth') or session($node, application_name => ..., user => ...)
sub session
{
	my ($node, @rest) = @_;
	my %params = @rest == 1 ? (application_name => $rest[0]) : @rest;

	$params{application_name} //= 'migration';
	return GuardSession->new($node, %params);
}

# A table large enough for its index to matter, and the index <name>_a_idx on it.
sub make_table
{
	my ($session, $name, $options) = @_;

	$session->ok("CREATE TABLE $name (a int, b int, c text)");
	$session->ok("INSERT INTO $name SELECT g, g % 100, rpad('row ' || g, 100)
		FROM generate_series(1, 1000) g");
	$session->ok("CREATE INDEX ${name}_a_idx ON $name (a)")
	  unless $options && $options eq 'bare';
	$session->ok("VACUUM ANALYZE $name");
}

# Have somebody else use the index on a.  The session is returned: it stays open, and idle.
sub use_index
{
	my ($node, $name, $service) = @_;
	my $session = session($node, $service // 'auth');

	$session->ok("SELECT c FROM $name WHERE a = 42");
	return $session;
}

# Ask until the answer is true.
sub wait_until
{
	my ($session, $sql) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until (($session->value($sql) // '') eq 't')
	{
		die "waited in vain for: $sql" if time > $end;
		usleep(5_000);
	}
}

# A refusal by guard: SQLSTATE 55006 and a primary message that tells it.
sub refused
{
	my ($result, $message, $test) = @_;
	my $error = $result->{error};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($error && $error->{C} eq '55006' && $error->{M} =~ $message,
		$test)
	  || diag($error ? "$error->{C} $error->{M}" : 'no error');
}

# Another error than guard's.
sub failed
{
	my ($result, $code, $message, $test) = @_;
	my $error = $result->{error};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($error && $error->{C} eq $code && $error->{M} =~ $message,
		$test)
	  || diag($error ? "$error->{C} $error->{M}" : 'no error');
}

sub passed
{
	my ($result, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(!$result->{error}, $test)
	  || diag("$result->{error}{C} $result->{error}{M}");
}

# "valid ready live", with "not" where it is not, or "gone"
sub index_state
{
	my ($session, $index) = @_;

	return $session->value(
		"SELECT concat_ws(' ',
				CASE WHEN NOT indisvalid THEN 'not' END, 'valid',
				CASE WHEN NOT indisready THEN 'not' END, 'ready',
				CASE WHEN NOT indislive THEN 'not' END, 'live')
		   FROM pg_index WHERE indexrelid = to_regclass('$index')") // 'gone';
}

# "block hot"
sub verdict
{
	my ($session, $index) = @_;

	return $session->value(
		"SELECT verdict || ' ' || reason FROM guard.check('$index')");
}

sub has_extension
{
	my ($node, $name) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_available_extensions WHERE name = '$name'");
}

# 15, 16, ...
sub version_of
{
	my ($node) = @_;

	return int($node->safe_psql('postgres', 'SHOW server_version_num') /
		  10000);
}

1;

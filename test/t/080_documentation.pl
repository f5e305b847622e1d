# What the documentation tells people to type is typed: every fenced block of README.md and doc/ in SQL or for the shell, every
# transcript, and every SQL statement within a text.  A transcript's output is compared, where numbers stand for numbers and … for
# anything.
#
# Each page has a database "shop" to itself, with a little traffic.  A comment before a block says what is special about it:
#
#     <!-- test: new database -->   in an empty one
#     <!-- test: in the source -->  in the folder of the source; what it installs goes to another place
#     <!-- test: then it is back -->  what goes with it is there again for the blocks behind it
#     <!-- test: as ROLE -->        SQL as somebody who is no superuser
#     <!-- not run: REASON -->      nowhere to be run; few

use strict;
use warnings FATAL => 'all';
use Cwd;
use File::Path qw(make_path);
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $few = 9;
my $superuser = (getpwuid $>)[0];
my $source = getcwd;
my @pages = ('README.md', sort glob 'doc/*.md doc/internals/*.md');
my $node = guard_server('main', extension => 0, conf => "guard.whatif_interval = 0\n");
my $folder = PostgreSQL::Test::Utils::tempdir_short;

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
delete $ENV{$_} foreach qw(PGOPTIONS PGUSER PGDATABASE PGAPPNAME);

# Runs a command with this input; returns its exit status, and its output and errors as they came.
sub run_it
{
	my ($input, @command) = @_;
	my $output = '';

	IPC::Run::run(\@command, '<', \$input, '>&', \$output);
	return ($? >> 8, $output);
}

# ---- the world

# What a shop has that lets people sign in.  Roles belong to the server, so they are made once.
my $roles = join ' ', map { "CREATE ROLE $_ LOGIN;" } qw(deploy app dba lead pipeline reviewer monitor etl);
my $world = <<'END';
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
ALTER DATABASE shop OWNER TO deploy;
CREATE SCHEMA auth AUTHORIZATION deploy;
GRANT CREATE ON SCHEMA public TO deploy;
SET ROLE deploy;
CREATE TABLE auth.users (id int PRIMARY KEY, email text, team int, legacy_code int);
INSERT INTO auth.users SELECT n, n || '@example.com', n % 500, n FROM generate_series(1, 50000) n;
CREATE INDEX users_email_idx ON auth.users (email);
CREATE INDEX users_team_idx ON auth.users (team);
CREATE INDEX users_legacy_idx ON auth.users (legacy_code);
CREATE TABLE public.orders (id int PRIMARY KEY, at timestamptz);
INSERT INTO public.orders SELECT n, now() FROM generate_series(1, 20000) n;
CREATE INDEX orders_at_idx ON public.orders (at);
GRANT USAGE ON SCHEMA auth TO app;
GRANT SELECT ON auth.users TO app;
ANALYZE auth.users, public.orders;
END
my $traffic = <<'END';
SELECT format('SELECT id FROM auth.users WHERE email = %L', n || '@example.com') FROM generate_series(1, 60) n \gexec
SELECT count(*) FROM auth.users WHERE team = 3;
END
my $migration = <<'END';
-- looked up through the directory cache from release 2.10 on
SET lock_timeout = '2s';
DROP INDEX auth.users_email_idx;
CREATE INDEX CONCURRENTLY users_email_lower_idx ON auth.users (lower(email));
END

sub psql
{
	my ($sql, %how) = @_;
	local $ENV{PGAPPNAME} = $how{service} // 'migration';

	return run_it($sql, 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $how{database} // 'shop', '-U', $how{user} // $superuser);
}

sub must
{
	my ($sql, %how) = @_;
	my ($status, $output) = psql($sql, %how);

	die "$sql$output" if $status != 0;
	return $output;
}


# Nothing of the page before is left: neither its database nor its settings.
sub make_world
{
	must("ALTER SYSTEM RESET ALL;\nSELECT pg_reload_conf();\n" .
		  join('', map { "DROP DATABASE IF EXISTS $_ WITH (FORCE);\nCREATE DATABASE $_;\n" } qw(shop staging)) .
		  "DROP DATABASE IF EXISTS fresh WITH (FORCE);\nDROP DATABASE IF EXISTS tryout WITH (FORCE);\n" .
		  "DROP ROLE IF EXISTS migration_review;\nALTER ROLE etl RESET ALL;\n", database => 'postgres');
	must($world);
	must($traffic, service => 'auth/2.9', user => 'app');
	must('SELECT guard.snapshot();');
}

# ---- reading a page

# Its blocks {kind, text, line, note}, and the SQL statements within its texts.
sub read_page
{
	my ($page) = @_;
	my (@blocks, @inline, $block, $note, $n);

	for my $line (split /\n/, slurp_file("$source/$page"))
	{
		$n++;
		if ($block)
		{
			if ($line =~ /^```$/) { push @blocks, $block; $block = undef }
			else { $block->{text} .= "$line\n" }
			next;
		}
		if ($line =~ /^```(\w*)$/)
		{
			$block = { kind => $1, text => '', line => $n, note => $note // '' };
			$note = undef;
			next;
		}
		$note = $line =~ /^<!-- ((?:test|not run): .*) -->$/ ? $1 : undef;
		push @inline, map { { text => $_, line => $n } } $line =~ /(?<!`)`((?:SELECT|ALTER|SET|CREATE|DROP|GRANT|REVOKE|LISTEN)\b[^`]*;)`(?!`)/g;
		push @blocks, { kind => 'indented', line => $n, note => '', text => $line }
		  if $line =~ /^ {4}\S/ && $page !~ /internals/ && !($page eq 'README.md' && $n < 15);
	}
	return (\@blocks, \@inline);
}

# ---- running blocks

make_path("$folder/bin", "$folder/work/migrations", "$folder/root");
append_to_file("$folder/bin/sudo", "#!/bin/sh\nexec \"\$\@\"\n");
chmod 0755, "$folder/bin/sudo";
symlink "$source/$_", "$folder/bin/$_" foreach qw(guard_review guard_profile guard_report);
append_to_file("$folder/work/migrations/0042_drop_legacy_lookup.sql", $migration);
symlink "$source/doc/postgres_exporter.yml", "$folder/work/postgres_exporter.yml";

# In a shell of its own.  What is built is built already, and installed where nobody uses it.
sub shell
{
	my ($text, $where) = @_;
	local $ENV{PATH} = "$folder/bin:$ENV{PATH}";
	local $ENV{DESTDIR} = "$folder/root";
	local $ENV{MAKEFLAGS} = ' -- with_llvm=no WERROR=1';
	local $ENV{PGUSER} = $superuser;

	chdir($where // "$folder/work");
	my @result = run_it($text, 'bash', '-e', '-o', 'pipefail');
	chdir $source;
	return @result;
}

# What a transcript says came out, as a pattern.
sub pattern
{
	my ($text) = @_;
	my $pattern = '';

	for my $piece (split /(…|-{2,}|\d+(?:\.\d+)?|\s+)/, $text)
	{
		$pattern .= $piece eq '…' ? '.*?' : $piece =~ /^--/ ? '-+' : $piece =~ /^\d/ ? '\d+(?:\.\d+)?' : $piece =~ /^\s+$/ ? '\s+' : quotemeta $piece;
	}
	$pattern =~ s/^(?:\\s\+)+|(?:\\s\+)+$//g;
	return qr/^\s*$pattern\s*$/s;
}

# The steps of a transcript: command, database (none: the shell), what is said to come out.
sub steps
{
	my ($text) = @_;
	my @steps;

	for (split /\n/, $text)
	{
		if (/^\$ (.*)/) { push @steps, { command => "$1\n", output => '' } }
		elsif (/^(\w+)=([#>]) (.*)/) { push @steps, { command => "$3\n", database => $1, user => $2 eq '>' ? 'deploy' : undef, output => '' } }
		elsif (/^(\w+)-[#>] (.*)/ && @steps && !$steps[-1]{output}) { $steps[-1]{command} .= "$2\n" }
		elsif (@steps) { $steps[-1]{output} .= "$_\n" }
	}
	return @steps;
}

sub transcript
{
	my ($text, $name) = @_;
	my $bad = '';

	for my $step (steps($text))
	{
		my ($status, $output) = $step->{database} ?
		  psql($step->{command}, database => $step->{database}, $step->{user} ? (user => $step->{user}) : ()) : shell($step->{command});
		my $expects_error = $step->{output} =~ /^(ERROR|BLOCK)/m;

		next if !$expects_error && $status == 0 && $step->{output} !~ /\S/ && $output !~ /^ERROR/m;
		next if $step->{output} =~ /\S/ && $output =~ pattern($step->{output});
		$bad .= "$step->{command}came out with status $status:\n${output}instead of:\n$step->{output}\n";
	}
	return ok($bad eq '', $name) || diag($bad);
}

sub run_block
{
	my ($block, $name) = @_;
	my ($kind, $text, $note) = @$block{qw(kind text note)};

	return transcript($text, $name) if $kind eq 'console';
	if ($kind eq 'conf')
	{
		my @unknown = grep { must("SELECT count(*) FROM pg_settings WHERE name = '$_';", database => 'shop') !~ /^ +1$/m } $text =~ /^(\w[\w.]*) *=/mg;
		@unknown = grep { !/^(extension_control_path)$/ || version_of($node) >= 18 } @unknown;
		return is("@unknown", '', "$name: settings that there are");
	}
	my ($status, $output);
	if ($kind eq 'sql')
	{
		my $database = $note eq 'test: new database' ? 'fresh' : 'shop';

		must('CREATE DATABASE fresh;', database => 'postgres') if $database eq 'fresh';
		($status, $output) = psql($text, database => $database, $note =~ /^test: as (\w+)/ ? (user => $1) : ());
	}
	else { ($status, $output) = shell($text, $note eq 'test: in the source' ? $source : undef) }
	make_world() if $note eq 'test: then it is back';
	return is($status, 0, $name) || diag("$text$output");
}

# Words within a text: taken back where they can be, and there need not be anything to undo.
sub run_inline
{
	my ($inline, $name) = @_;
	my $lasting = $inline->{text} =~ /ALTER SYSTEM|ALTER DATABASE|pg_reload_conf/;
	my ($status, $output) = psql("\\set VERBOSITY sqlstate\n" . ($lasting ? $inline->{text} : "BEGIN;\n$inline->{text}\nROLLBACK;"));

	must("ALTER SYSTEM RESET ALL;\nSELECT pg_reload_conf();") if $lasting;
	return ok($status == 0 || $output =~ /ERROR:  42704/, $name) || diag("$inline->{text}\n$output");
}

# ---- all of them

my $not_run = 0;
must($roles, database => 'postgres');
for my $page (@pages)
{
	my ($blocks, $inline) = read_page($page);

	next if !grep { $_->{kind} =~ /^(sql|sh|console|conf|indented|)$/ } @$blocks, map { { kind => 'sql' } } @$inline;
	make_world();
	for my $block (@$blocks)
	{
		my $name = "$page, line $block->{line}";

		if ($block->{note} =~ /^not run: (.*)/) { $not_run++; note("$name is not run: $1"); next }
		next if $block->{kind} =~ /^(json|yaml|text)$/;
		$block->{kind} =~ /^(sql|sh|console|conf)$/ ? run_block($block, $name) : fail("$name: a block says what it is ($block->{kind})");
	}
	run_inline($_, "$page, line $_->{line}: $_->{text}") for @$inline;
}
cmp_ok($not_run, '<=', $few, "few are not run: $not_run");

done_testing();

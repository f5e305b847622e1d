# From production to a refused pull request, as doc/ci/*.yml has it: the run: blocks of their steps are executed in the shell that the
# service would use, in a repository with a pull request.  What a machine without that service lacks has a stand-in: gh, sudo, pip,
# and the container, which is a server of this test.

use strict;
use warnings FATAL => 'all';
use Cwd;
use File::Path qw(make_path);
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'git is not installed' if system('git --version > /dev/null 2>&1') != 0;

my $source = getcwd;
my $folder = PostgreSQL::Test::Utils::tempdir_short;
local $ENV{TMPDIR} = PostgreSQL::Test::Utils::tempdir_short;

# ---- the file of a pipeline

# Its jobs: {env, steps}; a step has name, env and run.  As much of YAML as these files use.
sub read_pipeline
{
	my ($file) = @_;
	my (%jobs, $job, $step, $into, $block);

	for my $line (split /\n/, slurp_file("$source/doc/ci/$file"))
	{
		next if !defined $job && $line !~ /^jobs:/ && !%jobs;
		if (defined $block)
		{
			if ($line =~ /^ {10}(.*)/) { $step->{run} .= "$1\n"; next }
			$block = undef if $line =~ /\S/;
		}
		$into = undef if defined $into && $line !~ /^ {$into->{indent}}\S/;
		if ($line =~ /^jobs:/) { $job = {} }
		elsif ($line =~ /^ {2}(\w+):\s*(?:#.*)?$/) { $job = $jobs{$1} = { env => {}, steps => [] }; $step = undef }
		elsif ($line =~ /^ {4}env:$/) { $into = { env => $job->{env}, indent => 6 } }
		elsif ($line =~ /^ {6}- (?:name: (.*)|uses: (.*))/) { push @{ $job->{steps} }, $step = { name => $1 // $2, env => {} } }
		elsif ($line =~ /^ {8}env:$/) { $into = { env => $step->{env}, indent => 10 } }
		elsif ($line =~ /^ {8}run: \|$/) { $block = 1; $step->{run} = '' }
		elsif ($line =~ /^ {8}run: (.*)/) { $step->{run} = "$1\n" }
		elsif (defined $into && $line =~ /^ +(\w+): (.*)/) { my ($key, $value) = ($1, $2); $into->{env}{$key} = $value =~ s/\s+#.*//r }
	}
	return \%jobs;
}

# ---- what stands in for the service

my $service = "$folder/service";
make_path("$folder/bin", "$service/artefact");
sub program
{
	my ($name, $text) = @_;

	append_to_file("$folder/bin/$name", "#!/bin/sh\n$text");
	chmod 0755, "$folder/bin/$name";
}
program('sudo', qq{echo "\$*" >> $service/installed\n});
program('pip', qq{echo "pip \$*" >> $service/installed\n});
program('gh', <<"END");
echo "\$*" >> $service/calls
case "\$*" in
'run list --workflow guard.yml --event schedule --status success '*) echo 99 ;;
'run download 99 --name guard-profile --dir profile') mkdir -p profile && cp $service/artefact/* profile/ ;;
'api --paginate '*/comments' --jq '*) [ ! -e $service/comment ] || echo 4711 ;;
'api -X PATCH repos/shop/shop/issues/comments/4711 -F body=\@review.md') cp review.md $service/comment; echo again >> $service/comments ;;
'api repos/shop/shop/issues/7/comments -F body=\@review.md') cp review.md $service/comment; echo new >> $service/comments ;;
*) echo "gh \$* is not known here" >&2; exit 1 ;;
esac
END
symlink "$source/$_", "$folder/bin/$_" foreach qw(guard_review guard_profile);
symlink '/usr/bin/python3', "$folder/bin/python";

my $where;    # the checked out repository

# One step, in bash -e, as on GitHub; returns its exit status and output.
sub run_step
{
	my ($jobs, $job, $name, %env) = @_;
	my ($step) = grep { $_->{name} eq $name } @{ $jobs->{$job}{steps} };
	my $output;

	die("no step $name in job $job") if !$step || !defined $step->{run};
	my %all = (%{ $jobs->{$job}{env} }, %{ $step->{env} }, GITHUB_BASE_REF => 'main', GITHUB_REPOSITORY => 'shop/shop', GITHUB_STEP_SUMMARY => "$service/summary", %env);
	$_ =~ s/\$\{\{ github\.token \}\}/geheim/, $_ =~ s/\$\{\{ github\.event\.pull_request\.number \}\}/7/ foreach values %all;
	local @ENV{ keys %all } = values %all;
	local $ENV{PATH} = "$folder/bin:$ENV{PATH}";
	append_to_file("$service/step.sh", '');
	unlink "$service/step.sh";
	append_to_file("$service/step.sh", $step->{run});
	chdir $where;
	IPC::Run::run([ 'bash', '-e', "$service/step.sh" ], '<', \'', '>&', \$output);
	chdir $source;
	note("$job, $name:\n$output");
	return ($? >> 8, $output);
}

sub git
{
	my (@words) = @_;
	my $output;

	IPC::Run::run([ 'git', '-C', $where, '-c', 'user.name=shop', '-c', 'user.email=shop@example.com', '-c', 'init.defaultBranch=main', @words ], '<', \'', '>&', \$output)
	  or die "git @words: $output";
	return $output;
}

sub file
{
	my ($name, $text) = @_;

	(my $parent = "$where/$name") =~ s{/[^/]*$}{};
	make_path($parent);
	unlink "$where/$name";
	append_to_file("$where/$name", $text);
}

# A pull request: from main, with these files.
sub pull_request
{
	my ($name, %files) = @_;

	git('checkout', '--force', '-B', $name, 'origin/main');
	git('clean', '-ffdx');
	git('worktree', 'prune');
	file($_, $files{$_}) foreach sort keys %files;
	git('add', '-A');
	git('commit', '-m', $name);
}

# A repository with main, and the clone that a runner would make.
sub repository
{
	my ($name, %files) = @_;

	make_path($where = "$folder/$name.origin");
	git('init', '-b', 'main');
	file($_, $files{$_}) foreach sort keys %files;
	git('add', '-A');
	git('commit', '-m', 'as it is');
	IPC::Run::run([ 'git', 'clone', '-q', $where, "$folder/$name" ], '<', \'') or die 'git clone';
	$where = "$folder/$name";
}

# ---- production, which its service file leads to

my $node = guard_server('production', extension => 0, conf => "guard.min_evidence_age = 0\n");
my $connection = 'host=' . $node->host . ' port=' . $node->port;
append_to_file("$folder/services", join '', "[production]\nhost=" . $node->host . "\nport=" . $node->port . "\ndbname=shop\n");
local $ENV{PGSERVICEFILE} = "$folder/services";

sub production
{
	my ($migrate, $table) = @_;

	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS shop WITH (FORCE)');
	$node->safe_psql('postgres', 'CREATE DATABASE shop');
	$node->safe_psql('shop', 'CREATE EXTENSION pg_stat_statements; CREATE EXTENSION guard');
	$migrate->();
	$node->safe_psql('shop', "INSERT INTO $table (email, team) SELECT n || '\@example.com', n % 50 FROM generate_series(1, 20000) n; ANALYZE");
	my $auth = GuardSession->new($node, dbname => 'shop', application_name => 'auth');
	$auth->ok("SELECT id FROM $table WHERE email = '$_\@example.com'") foreach 1 .. 20;
	$auth->close;
	$node->safe_psql('shop', 'SELECT guard.snapshot()');
}

# The nightly job, on the runner that reaches production; its artefact.
sub nightly
{
	my ($jobs) = @_;

	is((run_step($jobs, 'profile', 'profile'))[0], 0, 'the nightly job writes a profile');
	unlink glob "$service/artefact/*";
	rename "$where/profile/prod.json", "$service/artefact/prod.json" or die;
	rmdir "$where/profile";
}

# Everything from the install step to the comment; its status is that of the step that reviews.
sub pipeline
{
	my ($jobs, $tell, %env) = @_;
	local %ENV = %ENV;

	delete @ENV{ grep { /^PG(?!TZ)/ } keys %ENV };
	is((run_step($jobs, 'review', 'install'))[0], 0, 'what it needs is installed');
	is((run_step($jobs, 'review', 'fetch the profile'))[0], 0, 'the profile is fetched');
	my ($status, $output) = run_step($jobs, 'review', 'review', %env);
	is((run_step($tell, 'tell', 'one comment, written anew at every push'))[0], 0, 'it is told');
	return $status;
}

sub comment { return slurp_file("$service/comment") }

# ---- plain SQL

my $sql = read_pipeline('github-sql.yml');
my $init = "CREATE TABLE users (id serial PRIMARY KEY, email text, team int);\nCREATE INDEX users_email_idx ON users (email);\nCREATE INDEX users_team_idx ON users (team);\n";
my $drop = "-- looked up elsewhere\nDROP INDEX users_email_idx;\n";
repository('sql', 'migrations/0001_init.sql' => $init);
production(sub { $node->safe_psql('shop', $init) }, 'users');
nightly($sql);

pull_request('harmful', 'migrations/0002_drop.sql' => $drop);
isnt(pipeline($sql, $sql), 0, 'plain SQL: what is harmful fails');
like(comment(), qr/^<!-- guard -->\n### guard: blocked\n/, 'a comment says so');
like(comment(), qr{\| migrations/0002&\#95;drop\.sql:2 \||\| migrations/0002\\_drop\.sql:2 \|}, 'where');
like(comment(), qr/auth uses it .*prod, [\d.]+ (s|min) ago/, 'and who needs it, in production');
pull_request('harmless', 'migrations/0002_drop.sql' => "DROP INDEX users_team_idx;\nALTER TABLE users ADD note text;\n");
is(pipeline($sql, $sql), 0, 'what is harmless passes');
like(comment(), qr/^<!-- guard -->\n### guard: nothing blocked\n/, 'that is told, too');
is(slurp_file("$service/comments"), "new\nagain\n", 'in one comment, written anew');
pull_request('elsewhere', 'README' => "nothing for guard\n");
is(pipeline($sql, $sql), 0, 'a pull request without a migration passes');

# ---- the same in a service container

my $container = guard_server('container', extension => 0);
my $scratch = sub {
	$container->safe_psql('postgres', 'DROP DATABASE IF EXISTS scratch WITH (FORCE)');
	$container->safe_psql('postgres', 'CREATE DATABASE scratch');
	return (SCRATCH => 'host=' . $container->host . ' port=' . $container->port . ' user=' . getpwuid($>) . ' dbname=scratch');
};
my $in_container = read_pipeline('github-service.yml');
pull_request('harmful', 'migrations/0002_drop.sql' => $drop);
isnt(pipeline($in_container, $sql, $scratch->()), 0, 'in a service container: what is harmful fails');
like(comment(), qr/### guard: blocked\n.*auth uses it .*prod, [\d.]+ (s|min) ago/s, 'and is told');
pull_request('harmless', 'migrations/0002_drop.sql' => "DROP INDEX users_team_idx;\n");
is(pipeline($in_container, $sql, $scratch->()), 0, 'what is harmless passes');
$container->stop;

# ---- Django

SKIP:
{
	skip 'Django or psycopg2 is not installed', 10 if system(q{/usr/bin/python3 -c 'import django, psycopg2' 2> /dev/null}) != 0;
	my $django = read_pipeline('github-django.yml');
	my $migration = sub { "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    dependencies = [$_[0]]\n    operations = [\n$_[1]    ]\n" };
	repository('django',
		'requirements.txt' => "django\npsycopg2\n",
		'manage.py' => "import os\nimport sys\n\nfrom django.core.management import execute_from_command_line\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\nexecute_from_command_line(sys.argv)\n",
		'settings.py' => <<'END',
import os
from urllib.parse import urlsplit, unquote

SECRET_KEY = 'test'
INSTALLED_APPS = ['shop']
DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
url = urlsplit(os.environ['DATABASE_URL'])
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': unquote(url.hostname or os.environ.get('PGHOST', '')), 'PORT': url.port or os.environ.get('PGPORT', ''),
                         'USER': unquote(url.username or ''), 'PASSWORD': unquote(url.password or ''), 'NAME': unquote(url.path[1:])}}
END
		'shop/__init__.py' => "\n", 'shop/migrations/__init__.py' => "\n",
		'shop/models.py' => <<'END',
from django.db import models


class User(models.Model):
    email = models.TextField()
    team = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=['email'], name='users_email_idx'), models.Index(fields=['team'], name='users_team_idx')]
END
		'shop/migrations/0001_initial.py' => $migration->('', <<'END'));
        migrations.CreateModel('User', [('id', models.AutoField(primary_key=True)), ('email', models.TextField()), ('team', models.IntegerField())],
                               {'indexes': [models.Index(fields=['email'], name='users_email_idx'), models.Index(fields=['team'], name='users_team_idx')]}),
END
	production(sub {
		local $ENV{DATABASE_URL} = 'postgresql:///shop';
		local @ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);
		system("cd $where && /usr/bin/python3 manage.py migrate --no-input > $service/migrate 2>&1") == 0 or die slurp_file("$service/migrate");
	}, 'shop_user');
	nightly($django);
	pull_request('harmful', 'shop/migrations/0002_drop.py' => $migration->("('shop', '0001_initial')", "        migrations.RemoveIndex('User', 'users_email_idx'),\n"));
	isnt(pipeline($django, $django), 0, 'Django: what is harmful fails');
	like(comment(), qr/### guard: blocked\n.*auth uses it .*prod, [\d.]+ (s|min) ago/s, 'and is told');
	pull_request('harmless', 'shop/migrations/0002_drop.py' => $migration->("('shop', '0001_initial')",
		"        migrations.RemoveIndex('User', 'users_team_idx'),\n        migrations.AddField('User', 'note', models.TextField(null=True)),\n"));
	is(pipeline($django, $django), 0, 'what is harmless passes');
}

is(slurp_file("$service/installed") =~ /^apt-get install -y postgresql-17 postgresql-17-guard guard-tools$/m, 1, 'packages have their names');
is(scalar(() = glob("$ENV{TMPDIR}/guard_review.*")), 0, 'no temporary file is left');
$node->stop;
done_testing();

# guard_report: one page for people, right, whole where there is nothing to say, and safe whatever things are called; in a browser it is
# readable on a telephone and at a desk, in light and dark.

use strict;
use warnings FATAL => 'all';
use Cwd;
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'python3-psycopg2 is not installed' if system("/usr/bin/python3 -c 'import psycopg2' 2> /dev/null") != 0;

my $node = guard_server('main', conf => "pg_stat_statements.track = all\nguard.whatif_interval = 0\nguard.min_evidence_age = 0\nguard.snapshot_interval = 1d\n");
my $folder = PostgreSQL::Test::Utils::tempdir_short;
my $program = getcwd . '/guard_report';
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;

sub guard_report
{
	my ($out, $err);

	IPC::Run::run([ '/usr/bin/python3', $program, @_ ], '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

# What must hold of every page.
sub is_sound
{
	my ($page, $what) = @_;
	my (@open, @wrong);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while ($page =~ m{<(/?)([a-z][a-z0-9]*)\b((?:[^>"]|"[^"]*")*)>}gi)
	{
		my ($end, $tag, $rest) = ($1, $2, $3);

		push @wrong, "$tag: $rest" if $tag =~ /^(?:script|img|iframe|link|object|embed|base|form)$/i || $rest =~ /\bon\w+\s*=\s*"/i && $rest !~ /(?:aria|data)-label="[^"]*on\w+/ || $rest =~ m{(?:src|href)="(?!#)};
		next if $tag =~ /^(?:meta|line|br)$/ || $rest =~ m{/$};
		if ($end) { push @wrong, "/$tag" if (pop @open // '') ne $tag; }
		else { push @open, $tag; }
	}
	is_deeply(\@wrong, [], "$what: well-formed, and nothing in it acts or is fetched");
	is_deeply(\@open, [], "$what: complete");
	unlike($page =~ s{http://e\.x}{}gr, qr{https?://}, "$what: no address");
}

# The text of a section, without its marks.
sub section
{
	my ($page, $name) = @_;
	my ($found) = $page =~ m{<section id="$name">(.*?)</section>}s or return '';

	$found =~ s/<style>.*?<\/style>//gs;
	$found =~ s/<[^>]*>/ /g;
	$found =~ s/\s+/ /g;
	return $found;
}

# ---- how it is called

my ($status, $page, $error) = guard_report('--help');
is($status, 0, '--help');
like($page, qr/^guard_report tells .*\nUsage:\n.*Exit status:/s, 'says what it does');
like((guard_report('--version'))[1], qr/^guard_report 1\./, '--version');
foreach my $program (qw(guard_load guard_profile guard_report guard_review))
{
	is(`/bin/bash -c 'exec 3>&1; { ./$program --help 2>&3; } | true'`, '', "$program: nobody reads on, and nothing is said about it");
}
foreach my $case ([ '--what' => 'no such option: --what' ], [ '--days=0' => '--days takes a number' ], [ '--rows' => '--rows needs a value' ],
	[ '--dbname=nowhere' => 'database "nowhere" does not exist' ], [ '--dbname=template1' => 'guard is not in database "template1"' ])
{
	($status, $page, $error) = guard_report($case->[0]);
	is("$status $page", '2 ', "$case->[0]: status 2, and no half page");
	like($error, qr/^guard_report: .*\Q$case->[1]\E/, "$case->[0]: why");
}

# ---- nothing there

my $s = session($node);
$s->ok('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
$s->ok('CREATE ROLE nobody_special LOGIN');
$s->ok('CREATE EXTENSION pg_stat_statements');
my @as = ('-d', 'postgres', '-U', 'monitor');
($status, $page, $error) = guard_report(@as);
is("$status $error", '0 ', 'an empty database') or die($error);
is_sound($page, 'an empty database');
like(section($page, 'go'), qr/There is no index yet/, 'nothing to go');
like(section($page, $_->[0]), $_->[1], "nothing: $_->[0]") foreach ([ hours => qr/No use by hour/ ], [ soft => qr/No index is being dropped/ ], [ refused => qr/Nothing was refused/ ],
	[ drift => qr/No profile/ ], [ nodes => qr/No standby/ ]);
($status, undef, $error) = guard_report('-d', 'postgres', '-U', 'nobody_special');
is($status, 2, 'without pg_monitor there is no page that would seem empty');
like($error, qr/GRANT pg_monitor TO nobody_special;/, 'and the way is said');

# ---- traffic, and things that are called what they like

my $evil = q{<script>alert(1)</script>};
my $table = "${evil}'s";
my $quotes = q{x'"&<img src=x onerror="alert(2)">|`**[l](http://e.x)};
my $long = 'a_name_that_is_as_long_as_postgresql_lets_one_be_sixty_three_by';

sub quoted
{
	return '"' . $_[0] =~ s/"/""/gr . '"';
}
$s->ok($_) foreach (
	'CREATE SCHEMA auth',
	'CREATE TABLE auth.users (id int PRIMARY KEY, email text, team int, made timestamptz, legacy int)',
	q{INSERT INTO auth.users SELECT n, n || '@example.com', n % 500, now() - n * interval '1 min', n FROM generate_series(1, 60000) n},
	'CREATE INDEX users_email_idx ON auth.users (email)',
	'CREATE INDEX users_made_idx ON auth.users (made)',
	'CREATE INDEX users_team_idx ON auth.users (team)',
	'CREATE INDEX users_team_again_idx ON auth.users (team)',
	'CREATE INDEX users_legacy_idx ON auth.users (legacy)',
	"CREATE INDEX $long ON auth.users (made, legacy)",
	'CREATE TABLE public.' . quoted($table) . ' (a int, b int)',
	'INSERT INTO public.' . quoted($table) . ' SELECT n, n FROM generate_series(1, 60000) n',
	'CREATE INDEX ' . quoted($quotes) . ' ON public.' . quoted($table) . ' (a)',
	'CREATE INDEX ' . quoted($evil) . ' ON public.' . quoted($table) . ' (b)',
	'CREATE TABLE shop_orders (id int, at int)',
	'INSERT INTO shop_orders SELECT n, n FROM generate_series(1, 60000) n',
	'CREATE INDEX orders_at_idx ON shop_orders (at)',
	'CREATE INDEX orders_id_idx ON shop_orders (id)',
	'VACUUM ANALYZE');

# Not as those who make a table: that would be its installation.
$s->ok(q{UPDATE guard.object SET first_seen = first_seen - interval '1 day', created_at = created_at - interval '1 day'});
my $auth = session($node, 'auth/2.9');
foreach my $n (1 .. 80)
{
	$auth->ok("SELECT id FROM auth.users WHERE email = '$n\@example.com'");
	$auth->ok('SELECT b FROM public.' . quoted($table) . " WHERE a = $n");
	$auth->ok("SELECT id FROM shop_orders WHERE at = $n");
	$auth->ok("SELECT at FROM shop_orders WHERE id = $n") if $n > 40;
	$auth->ok("SELECT count(*) FROM auth.users WHERE team = $n") if $n > 70;
}
my $rude = session($node, '<b onclick="alert(3)">bill</b>');
$rude->ok("SELECT id FROM auth.users WHERE email = 'a'");
$rude->close;

refused(session($node, $evil)->query('DROP INDEX auth.users_email_idx'), qr/users_email_idx/, 'a refusal');
refused($s->query('DROP INDEX public.' . quoted($quotes)), qr/alert/, 'and of one with a name');
$s->ok($_) foreach 'SET guard.mode = observe', 'DROP INDEX orders_at_idx', 'RESET guard.mode';
$s->ok($_) foreach q{SET guard.hot_action = 'delay'}, 'DROP INDEX orders_id_idx', 'RESET guard.hot_action';
$s->ok('SELECT guard.snapshot()');
wait_until($s, q{SELECT count(*) = 2 FROM guard.audit_log WHERE verdict = 'block'});
wait_until($s, q{SELECT count(*) > 0 FROM guard.metrics WHERE name = 'guard_predicted_connections'});
$s->ok(q{SELECT guard.import_profile('staging <i>', guard.export_profile())});
$s->ok('CREATE INDEX users_new_idx ON auth.users (id, team)');

# What takes days: two weeks of hours, most of them at 14 o'clock, a gap of a crash, older drops, a standby that fell silent.
$s->ok(q{INSERT INTO guard.hourly_use (hour, first_use, last_use, scans, uses, relation_id, hours)
	SELECT h, h, h, n, n, k.id, 1 FROM guard.known_use k CROSS JOIN generate_series(date_trunc('hour', now()) - interval '10 days', date_trunc('hour', now()) - interval '1 hour', '1 hour') h,
	LATERAL (SELECT CASE WHEN extract(hour FROM h) = 14 THEN 5000 ELSE (1500 * (1 + sin((extract(hour FROM h) - 8) / 24 * 6.28)))::int END / (1 + k.id % 7)) v (n)
	WHERE k.relation_oid <> k.table_oid AND n > 0});
$s->ok(q{UPDATE guard.evidence_epoch SET since = now() - interval '3 days' WHERE until IS NULL});
$s->ok(q{INSERT INTO guard.evidence_epoch SELECT source, now() - interval '40 days', now() - interval '3 days 5 hours', now() - interval '3 days 5 hours', 'first', mark, cluster_mark, timeline, system_identifier, server_version
	FROM guard.evidence_epoch WHERE until IS NULL});
$s->ok(q{UPDATE guard.evidence_epoch SET began = 'crash' WHERE until IS NULL});
$s->ok(q{INSERT INTO guard.soft_drop (index_oid, state, table_oid, index_schema, index_name, table_name, partitioned, parts, dropped_at, reason, state_since, hidden_at, next_step, due_at)
	VALUES (1, 'restored', 'auth.users'::regclass, 'auth', 'users_old_idx', 'users', false, '[{}]', now() - interval '9 days', 'hot', now() - interval '6 days', now() - interval '8 days', NULL, NULL),
		   (2, 'dropped', 'auth.users'::regclass, 'auth', 'users_older_idx', 'users', false, '[{}]', now() - interval '12 days', 'hot', now() - interval '4 days', now() - interval '11 days', NULL, NULL)});
$s->ok(q{INSERT INTO guard.audit_log (at, question, verdict, reason, index_name, table_name, mode, database, login_role)
	SELECT now() - d * interval '1 day', 'x', CASE d % 3 WHEN 0 THEN 'observe' ELSE 'block' END, 'hot', 'auth.users_email_idx', 'auth.users', 'enforce', 'postgres', 'deploy' FROM generate_series(1, 9) d, generate_series(1, 4) e WHERE e < d});
$s->ok(q{INSERT INTO guard.node (name, role, reported_at, since, lacks) VALUES ('pg-3', 'standby', now() - interval '3 hours', now() - interval '2 days', NULL),
	('pg-4', 'standby', now() - interval '1 minute', NULL, 'guard is not in shared_preload_libraries there')});

($status, $page, $error) = guard_report(@as, '--statements');
is("$status $error", '0 ', 'a page');
is_sound($page, 'a page');

my %said = map { $_ => section($page, $_) } qw(status go hot hours soft refused evidence drift nodes);
like($said{go}, qr/\d+ index(?:es)? of \d+ can go: that saves [\d.]+ [kM]B/, 'what can go, and what that saves');
my ($script) = $s->value('SELECT guard.clean_up()');
my @can_go = sort $script =~ /^-- \d+ of \d+: (\S+) \(/mg;
my @listed = sort grep { $page =~ m{<section id="go">(?:(?!</section>).)*<td[^>]* data-label="Index">\Q$_\E</td>}s } ('auth.users_legacy_idx', "auth.$long", 'auth.users_team_again_idx',
	'auth.users_team_idx', 'auth.users_made_idx', 'auth.users_new_idx', 'auth.users_email_idx', 'auth.users_pkey', 'public.orders_id_idx');
is_deeply(\@listed, [ grep { !/script/ } @can_go ], 'the indexes that guard.clean_up() has');
like($said{hot}, qr/auth\.users_email_idx .*auth/, 'what is needed, and by whom');
like($said{hot}, qr/\d connections? .*Connections without it/, 'and what its loss would cost');
like($said{hot}, qr/SELECT id FROM auth\.users WHERE email = \$1/, '--statements has the texts');
unlike((guard_report(@as))[1], qr/WHERE email/, 'which are left out otherwise');
like($said{hours}, qr/^ Most use comes from 14:00/, 'use by hour of day');
like($said{soft}, qr/1 index is being dropped in stages, 1 was given back/, 'drops in stages');
like($said{soft}, qr/public\.orders_id_idx/, 'which');
like($said{refused}, qr/\d+ drops were refused and \d+ drops were let go that enforce would refuse/, 'refusals, and what observe let go');
like($said{evidence}, qr/observed for \d+ days, with 1 gap .*5 h crash/, 'evidence and its gaps');
like($said{drift}, qr/auth\.users_new_idx .* unknown there/, 'drift from a profile');
like($said{nodes}, qr/1 of 2 standbys does not tell.*pg-3.*pg-4/, 'standbys');
like($page, qr/&lt;script&gt;alert\(1\)&lt;\/script&gt;/, 'names are text');
like($page, qr/staging &lt;i&gt;/, 'so is the name of a profile');
like($page, qr/&lt;b onclick=&quot;alert[^<]*bill/, 'and of a service');

# ---- Markdown

(undef, my $markdown, undef) = guard_report(@as, '--markdown');
like($markdown, qr/^# Indexes of postgres\n/, 'Markdown');
like($markdown, qr/^## \d+ index(?:es)? of \d+ can go/m, 'with the same sections');
unlike($markdown, qr/<(?!!)[a-z]|(?<!\\)`|(?<!\\)\*\*\[/i, 'and no mark of anybody else');
my @tables = $markdown =~ /^(\|.*\|\n(?:\|.*\|\n)+)/mg;
my @uneven = grep { my %widths = map { scalar(() = /(?<!\\)\|/g) => 1 } split /\n/; keys %widths != 1 } @tables;
is_deeply(\@uneven, [], 'tables are tables');

# ---- without preloading, in an encoding that is none

my $bare = guard_server('bare', preload => '', initdb => [ '--encoding=SQL_ASCII', '--no-locale' ]);
my $b = session($bare);
make_table($b, 't');
$b->ok(qq{CREATE INDEX "caf\xe9" ON t (b)});
$b->ok('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
($status, my $bare_page, $error) = guard_report('-h', $bare->host, '-p', $bare->port, @as);
is("$status $error", '0 ', 'a server where guard is not preloaded');
is_sound($bare_page, 'not preloaded');
like(section($bare_page, 'status'), qr/shared_preload_libraries/, 'says so');
like($bare_page, qr/caf\xc3\xa9/, 'and shows bytes that are in no encoding');
$bare->stop;

# ---- in a browser

my ($chromium) = grep { -x } map { "$_/chromium" } split(/:/, $ENV{PATH}), '/usr/bin';
SKIP:
{
	skip 'chromium is not installed', 1 if !defined $chromium;

	# A browser's window has a least width, a frame has none.  What is asked of the page is asked by the one around it.
	append_to_file("$folder/report.html", $page);
	append_to_file("$folder/empty.html", $bare_page);
	append_to_file("$folder/frames.html", <<'END');
<!DOCTYPE html><html style="color-scheme: light dark"><body style="margin: 0"><pre id="found"></pre>
<iframe src="report.html" width="390" height="6000"></iframe><iframe src="report.html" width="1280" height="6000"></iframe><iframe src="report.html" width="901" height="6000"></iframe><iframe src="empty.html" width="390" height="3000"></iframe>
<script>
onload = () => {
	const found = [...document.querySelectorAll('iframe')].map(f => {
		const d = f.contentDocument, root = d.documentElement, luminance = c => c.match(/\d+/g).slice(0, 3).reduce((s, v) => s + +v, 0) / 3;
		const wide = [...d.querySelectorAll('body *')].filter(n => n.getBoundingClientRect().right > root.clientWidth + 1 && !n.closest('svg')).map(n => n.tagName + ' ' + n.textContent.slice(0, 40));
		const style = n => d.defaultView.getComputedStyle(n);
		return { width: +f.width, scrolls: root.scrollWidth - root.clientWidth, wide, dark: luminance(style(d.body).backgroundColor) < 128, ink: luminance(style(d.body).color) > 128,
			sections: d.querySelectorAll('section').length, charts: [...d.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 200).length,
			small: [...d.querySelectorAll('body *')].filter(n => n.textContent && parseFloat(style(n).fontSize) < 12).length };
	});
	document.getElementById('found').textContent = JSON.stringify(found);
};
</script></body></html>
END
	foreach my $scheme (1, 0)
	{
		my ($out, $err);
		my $name = $scheme ? 'light' : 'dark';
		my $picture = ($ENV{SHOTS} // $folder) . "/$name.png";

		# An origin of its own for each file would keep the page around from asking.
		local $ENV{HOME} = $folder;
		IPC::Run::run([ $chromium, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--allow-file-access-from-files', "--user-data-dir=$folder/browser",
			"--blink-settings=preferredColorScheme=$scheme", '--hide-scrollbars', '--window-size=3050,6000', "--screenshot=$picture", '--dump-dom', "file://$folder/frames.html" ], '>', \$out, '2>', \$err);
		my ($json) = $out =~ m{<pre id="found">(\[.*?\])</pre>}s;
		if (!ok(defined $json, "$name: the page is shown")) { diag $err; next; }
		$json =~ s/&lt;/</g;
		$json =~ s/&gt;/>/g;
		$json =~ s/&amp;/&/g;
		my $found = decode_json($json);
		foreach my $frame (@$found)
		{
			my $what = "$name, $frame->{width} px";

			is($frame->{scrolls}, 0, "$what: nothing is to be scrolled sideways") or diag(join "\n", @{ $frame->{wide} });
			is_deeply($frame->{wide}, [], "$what: nothing stands out");
			is($frame->{small}, 0, "$what: no letters smaller than 12 px");
			is($frame->{dark} ? 'dark' : 'light', $name, "$what: its colours");
			is($frame->{ink} ? 'dark' : 'light', $name, "$what: and those of its letters");
			is($frame->{sections}, 9, "$what: all of it");
		}
		cmp_ok($found->[0]{charts}, '>=', 5, "$name: with pictures");
		ok(-s $picture, "$name: a picture of it");
	}
}
done_testing();

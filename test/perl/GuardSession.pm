# GuardSession: one connection to a server, held open, that speaks PostgreSQL's protocol itself.
#
# psql shows neither an extended-protocol pipeline nor (without parsing its output) which notice came with which statement, and
# a test of races needs sessions that stay open and idle.  So this is the smallest client that shows all of it: every error and
# notice with its fields, by their one-letter codes (S severity, C SQLSTATE, M message, D detail, H hint).
#
#	my $auth = GuardSession->new($node, application_name => 'auth');
#	my $r = $auth->query('SELECT ...');		# one simple-protocol message, which may hold several statements
#	my $r = $auth->pipeline('DROP INDEX a', 'CREATE INDEX a ...');	# extended protocol, one Sync at the end
#
# Both return a hash: rows (of the last result, arrays), tags (one per statement done), error (undef when all went well),
# notices, status (I idle, T in a transaction, E in a failed one).
#
# What was notified until then is in $session->{notifications}: pairs of channel and payload.
#
# start() sends without waiting for the answer, result() waits for it.

package GuardSession;

use strict;
use warnings FATAL => 'all';
use IO::Select;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $node, %params) = @_;

	$params{user} //= scalar getpwuid($<);
	$params{database} //= delete $params{dbname} // 'postgres';
	my $socket = IO::Socket::UNIX->new(
		Peer => $node->host . '/.s.PGSQL.' . $node->port)
	  or die "could not connect to " . $node->name . ": $!";
	my $self = bless { socket => $socket, buffer => '' }, $class;

	$self->_raw(pack('N', 196608)
		  . join('', map { "$_\0$params{$_}\0" } sort keys %params)
		  . "\0");
	$self->{greeting} = $self->result;
	die "could not log in: $self->{greeting}{error}{M}"
	  if $self->{greeting}{error};
	return $self;
}

# Backend process, as pg_stat_activity shows it.
sub pid
{
	return $_[0]->{pid};
}

sub query
{
	my ($self, $sql) = @_;

	$self->start($sql);
	return $self->result;
}

# The first column of the first row, or nothing.
sub value
{
	my ($self, $sql) = @_;
	my $r = $self->query($sql);

	die "$sql: $r->{error}{M}" if $r->{error};
	return $r->{rows} && @{ $r->{rows} } ? $r->{rows}[0][0] : undef;
}

# Run something that must work.
sub ok
{
	my ($self, $sql) = @_;
	my $r = $self->query($sql);

	die "$sql: $r->{error}{C} $r->{error}{M}" if $r->{error};
	return $r;
}

sub start
{
	my ($self, $sql) = @_;

	$self->_message('Q', "$sql\0");
}

# Each statement is parsed, bound and executed; one Sync follows the last.
sub pipeline
{
	my ($self, @statements) = @_;

	foreach my $sql (@statements)
	{
		$self->_message('P', "\0$sql\0" . pack('n', 0));
		$self->_message('B', "\0\0" . pack('nnn', 0, 0, 0));
		$self->_message('E', "\0" . pack('N', 0));
	}
	$self->_message('S', '');
	return $self->result;
}

# Parse once under a name, for execute_prepared().
sub prepare
{
	my ($self, $name, $sql) = @_;

	$self->_message('P', "$name\0$sql\0" . pack('n', 0));
	$self->_message('S', '');
	my $r = $self->result;
	die "$sql: $r->{error}{M}" if $r->{error};
}

sub execute_prepared
{
	my ($self, $name, @values) = @_;

	$self->_message('B',
			"\0$name\0"
		  . pack('nn', 0, scalar @values)
		  . join('', map { pack('N', length $_) . $_ } @values)
		  . pack('n', 0));
	$self->_message('E', "\0" . pack('N', 0));
	$self->_message('S', '');
	return $self->result;
}

# Has the answer to start() begun to arrive?
sub answered
{
	my ($self) = @_;

	return length $self->{buffer}
	  || IO::Select->new($self->{socket})->can_read(0);
}

sub result
{
	my ($self) = @_;
	my %result = (tags => [], notices => []);

	while (1)
	{
		my ($type, $body) = $self->_receive;

		if ($type eq 'Z')
		{
			$result{status} = $body;
			return \%result;
		}
		elsif ($type eq 'T') { $result{rows} = []; }
		elsif ($type eq 'D')
		{
			push @{ $result{rows} }, _row($body);
		}
		elsif ($type eq 'C')
		{
			push @{ $result{tags} }, unpack('Z*', $body);
		}
		elsif ($type eq 'N') { push @{ $result{notices} }, _fields($body); }
		elsif ($type eq 'E')
		{
			$result{error} = _fields($body);
			return \%result if $result{error}{S} =~ /FATAL|PANIC/;
		}
		elsif ($type eq 'A')
		{
			push @{ $self->{notifications} }, [ (unpack('N Z* Z*', $body))[ 1, 2 ] ];
		}
		elsif ($type eq 'K') { $self->{pid} = unpack('N', $body); }
	}
}

sub close
{
	my ($self) = @_;

	return unless $self->{socket};
	# whom a crash has ended already is closed
	eval { $self->_message('X', '') };
	CORE::close($self->{socket});
	delete $self->{socket};
}

sub _message
{
	my ($self, $type, $body) = @_;

	syswrite $self->{socket}, $type . pack('N', 4 + length $body) . $body
	  or die "could not write to the server: $!";
}

sub _raw
{
	my ($self, $body) = @_;

	syswrite $self->{socket}, pack('N', 4 + length $body) . $body
	  or die "could not write to the server: $!";
}

sub _fill
{
	my ($self, $length) = @_;

	while (length $self->{buffer} < $length)
	{
		die "no answer in $PostgreSQL::Test::Utils::timeout_default s"
		  unless IO::Select->new($self->{socket})
		  ->can_read($PostgreSQL::Test::Utils::timeout_default);
		sysread($self->{socket}, $self->{buffer}, 65536,
			length $self->{buffer})
		  or die "the server closed the connection";
	}
}

sub _receive
{
	my ($self) = @_;

	$self->_fill(5);
	my ($type, $length) = unpack('aN', $self->{buffer});
	$self->_fill(1 + $length);
	my $body = substr($self->{buffer}, 5, $length - 4);
	substr($self->{buffer}, 0, 1 + $length, '');
	return ($type, $body);
}

sub _row
{
	my ($body) = @_;
	my ($count) = unpack('n', $body);
	my $at = 2;
	my @row;

	foreach (1 .. $count)
	{
		my $length = unpack('N', substr($body, $at, 4));
		$at += 4;
		if ($length == 0xFFFFFFFF)
		{
			push @row, undef;
			next;
		}
		push @row, substr($body, $at, $length);
		$at += $length;
	}
	return \@row;
}

sub _fields
{
	my ($body) = @_;
	my %fields;

	foreach (split /\0/, $body)
	{
		$fields{ substr($_, 0, 1) } = substr($_, 1) if length;
	}
	return \%fields;
}

1;

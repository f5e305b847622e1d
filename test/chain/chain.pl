# Sequences of events drawn at random, over the indexes of one table of which traffic needs one.  Whatever happens: the last
# index that serves the traffic is not let go without a refusal, and never called cold; an index that nobody used is not called
# hot; and where nothing was lost, and another index serves, nobody is in the way.
#
# CHAIN_SECS is how long (60), CHAIN_SEED the seed of the first sequence (1), each further one has the next; CHAIN_EVENTS how many
# events a sequence has (20).  With CHAIN_SHRINK=1 a sequence that fails is played again without one event after the other, until
# only those are left that it takes.  With CHAIN_ONCE=1 one sequence is played.  CHAIN_WITHOUT='swap hide' leaves events out.

use strict;
use warnings FATAL => 'all';
use FindBin;
use lib $FindBin::Bin;
use ChainEvents;
use ChainWorld;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{CHAIN_SECS} || 60;
my $seed = $ENV{CHAIN_SEED} || 1;
my $length = $ENV{CHAIN_EVENTS} || 20;
my $w = ChainWorld->new('chain');

# What is wrong after an event, if anything.
sub play
{
	my ($event) = @_;
	my $served = $w->{model}->serving;
	my $outcome = eval { ChainEvents::happen($w, @$event) };

	return "the test cannot go on: $@" if $@;
	$w->look;
	my @wrong = $w->{model}->wrong_world($served, $outcome eq 'meant');
	return (ref $outcome ? @$outcome : (), @wrong, $w->{model}->wrong_answers($w->answers, 1));
}

# Every index goes that may: one has to stay.
sub ending
{
	return map { [ 'drop', $_, 'plain' ] } sort map { $_->{name} } $w->indexes;
}

# A sequence, drawn or given; returns what happened and what is wrong.
sub sequence
{
	my ($given) = @_;
	my @given = @{ $given // [] };
	my @happened;

	$w->{swapped_before} = 0;
	$w->begin;
	my @first = ([ 'create', 'i1', '(%s)', 'plain' ], [ 'create', 'i2', '(b)', 'plain' ], [ 'traffic', 'leaving' ]);
	$w->{number} = 2;
	foreach my $event ($given ? @given : (@first, (undef) x $length, 'end'))
	{
		foreach my $one (!defined $event ? ChainEvents::choose($w) : $event eq 'end' ? ending() : $event)
		{
			push @happened, $one;
			my @wrong = eval { play($one) };
			push @wrong, "$@" if $@;
			return \@happened, @wrong if @wrong;
		}
	}
	return \@happened;
}

# The events without which it does not fail in the same way.
sub shrink
{
	my ($events, $kind) = @_;

	# Not those that make the index and its use.
	for (my $i = $#$events - 1; $i >= 3; $i--)
	{
		my @fewer = @$events[ grep { $_ != $i } 0 .. $#$events ];
		my ($happened, @wrong) = sequence(\@fewer);
		next unless @wrong && $wrong[0] =~ /^\Q$kind/;
		$events = $happened;
		$i = @$events if $i > @$events;
	}
	sequence($events);
	return $events;
}

my $end = time + $seconds;
my $failed = 0;
do
{
	srand($seed);
	my ($events, @wrong) = sequence();
	ok(!@wrong, 'seed ' . $seed++ . ', ' . @$events . ' events');
	if (@wrong)
	{
		diag(map { "$_\n" } @wrong);
		shrink($events, $wrong[0] =~ /^(\w+)/ ? $1 : '') if $ENV{CHAIN_SHRINK};
		diag(map { "$_\n" } @{ $w->{script} }, '-- guard.check() and guard.status:', map { "--   $_" } $w->explain);
		$failed++;
	}
} while time < $end && !$ENV{CHAIN_ONCE} && $failed < ($ENV{CHAIN_FAILURES} || 3);

$w->end;
$w->{node}->stop;
done_testing();

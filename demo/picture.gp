# The picture: a column for each act; latency, busy connections, and what becomes
# of the indexes below each other.
#
# demo/result.sh runs this and takes the picture from standard output.  It sets
#   data            directory with ACT/seconds, ACT/busy and ACT/life
#   kind            svg or png
#   before, after_ACT   seconds shown on either side of the migration
#   again           when act 2 ran the migration a second time
#   rolled_from, rolled_to   when act 3 began and ended to roll the services
#   most            connections that the services can have
#   where           server and machine, as a text
#   failed_ACT      how many requests failed, as a text

FONT = 'DejaVu Sans'
if (kind eq 'svg') {
	set terminal svg size 1100,860 font FONT.',13' background '#ffffff'
} else {
	set terminal pngcairo size 2200,1720 font FONT.',13' fontscale 2 linewidth 2 background '#ffffff'
}

RED = '#c8372d'; GREEN = '#12795a'; BLUE = '#2c62b0'; INK = '#2b2b2b'; SOFT = '#767676'
FADED = '#86a9da'; PALE = '#d3e0f3'
array COLOUR = [RED, GREEN, BLUE]
array AFTER = [after_act1, after_act2, after_act3]
array TITLE = ['1  Without guard', '2  guard refuses', '3  guard drops in stages']
array STORY[3]
STORY[1] = sprintf('%s requests fail', failed_act1)
STORY[2] = sprintf('%s fail; the migration is told why', failed_act2)
STORY[3] = sprintf('%s fail; the indexes wait for the new code', failed_act3)

seconds(act) = sprintf('%s/act%d/seconds', data, act)
busy(act) = sprintf('%s/act%d/busy', data, act)
life(act) = sprintf('%s/act%d/life', data, act)

# A second is as wide in every column.
LEFT = 0.075; GAP = 0.022
SECOND = (0.965 - LEFT - 2 * GAP) / (3 * before + after_act1 + after_act2 + after_act3)
from(act) = act == 1 ? LEFT : from(act - 1) + SECOND * (before + AFTER[act - 1]) + GAP
to(act) = from(act) + SECOND * (before + AFTER[act])

# The names of the indexes stand behind the last that went.
stats life(1) using 5 name 'LIFE' nooutput

set multiplot
set border 3 linecolor rgb '#9a9a9a'
set tics nomirror textcolor rgb INK
set grid ytics linecolor rgb '#e8e8e8' linetype 1 linewidth 1
set xtics 10 scale 0.5 format ''
unset key

do for [act = 1:3] {
	set lmargin at screen from(act)
	set rmargin at screen to(act)
	set xrange [-before:AFTER[act]]
	unset arrow
	set arrow 1 from first 0, graph 0 to first 0, graph 1 nohead linecolor rgb SOFT dashtype 3 back
	if (act == 2) {
		set arrow 2 from first again, graph 0 to first again, graph 1 nohead linecolor rgb SOFT dashtype 3 back
	}

	# Latency
	unset label
	if (act == 1) {
		set label 1 'One migration, the same traffic, three times' at screen 0.02, 0.958 font FONT.',19' textcolor rgb INK
		set label 2 'The migration drops five indexes that the running services need.  '.where.'.' at screen 0.02, 0.92 textcolor rgb SOFT
		set label 3 'Latency: the median of each second, and the range of 90 % of its requests' \
			at graph 0, 1.08 left textcolor rgb INK
	}
	set label 4 TITLE[act] at screen from(act), 0.87 left font FONT.',16' textcolor rgb COLOUR[act]
	set label 5 STORY[act] at screen from(act), 0.84 left font FONT.',11' textcolor rgb COLOUR[act]
	set tmargin at screen 0.765
	set bmargin at screen 0.525
	set yrange [log10(0.05):log10(20000)]
	if (act == 1) {
		set ytics nomirror scale 0.5 ('0.1 ms' -1, '1 ms' 0, '10 ms' 1, '100 ms' 2, '1 s' 3, '10 s' 4)
	} else {
		set ytics nomirror scale 0.5 ('' -1, '' 0, '' 1, '' 2, '' 3, '' 4)
	}
	plot seconds(act) using 1:(log10($4)):(log10($5)) with filledcurves fillcolor rgb COLOUR[act] fillstyle transparent solid 0.18 noborder, \
	     seconds(act) using 1:(log10($3)) with lines linewidth 2.5 linecolor rgb COLOUR[act]

	# Busy connections
	unset label
	set tmargin at screen 0.455
	set bmargin at screen 0.275
	if (act == 1) {
		set label 3 'Busy connections' at graph 0, 1.11 left textcolor rgb INK
		set label 4 sprintf('all %d', most) at first -before, first most left offset 0.7, 0.6 font FONT.',11' textcolor rgb SOFT
		set label 5 "migration" at first 0, first most * 0.45 right offset -0.7, 0 font FONT.',11' textcolor rgb SOFT
	}
	if (act == 2) {
		set label 5 "once more, inside\nBEGIN … COMMIT" at first again, first most * 0.6 right offset -0.7, 0 font FONT.',11' textcolor rgb SOFT
	}
	if (act == 3) {
		set arrow 3 from first rolled_from, first most * 0.3 to first rolled_to, first most * 0.3 heads back linecolor rgb SOFT size 0.5,20 filled
		set label 5 "the services are rolled\nto the next release" at first rolled_from, first most * 0.6 left font FONT.',11' textcolor rgb SOFT
	}
	set yrange [0:most * 1.2]
	if (act == 1) { set ytics nomirror 10 format '%g' } else { set ytics nomirror 10 format '' }
	plot most with lines linewidth 1.2 dashtype 2 linecolor rgb SOFT, \
	     busy(act) using 1:2 with lines linewidth 2.5 linecolor rgb COLOUR[act]

	# The indexes
	unset label
	unset arrow 3
	set tmargin at screen 0.205
	set bmargin at screen 0.065
	if (act == 1) { set label 3 'The five indexes' at graph 0, 1.15 left textcolor rgb INK }
	if (act == 3) {
		set label 3 '■' at graph 0, 1.15 left textcolor rgb BLUE
		set label 4 'in use' at graph 0.06, 1.15 left font FONT.',11' textcolor rgb SOFT
		set label 5 '■' at graph 0.25, 1.15 left textcolor rgb FADED
		set label 6 'use has ended' at graph 0.31, 1.15 left font FONT.',11' textcolor rgb SOFT
		set label 7 '■' at graph 0.71, 1.15 left textcolor rgb PALE
		set label 8 'hidden' at graph 0.77, 1.15 left font FONT.',11' textcolor rgb SOFT
	}
	set yrange [-5.6:-0.4]
	unset ytics
	if (act == 3) {
		set xtics scale 0.5 ('−10 s' -10, '0' 0, '+10 s' 10, '+20 s' 20) nomirror
	} else {
		set xtics scale 0.5 ('−10 s' -10, '0' 0, '+10 s' 10, '' 20) nomirror
	}
	# Names stand behind the bars, or in them where a migration that had to wait leaves no room behind.
	named(act) = act == 1 && strcol(3) eq 'used'
	place(k) = strcol(3) eq word('used quiet hidden', k) ? -column(1) : NaN
	plot for [k = 1:3] life(act) using 4:(place(k)):4:5:(place(k) - 0.33):(place(k) + 0.33) \
			with boxxyerror fillstyle solid noborder linecolor rgb (k == 1 ? COLOUR[act] : k == 2 ? FADED : PALE), \
	     life(act) using (named(act) && LIFE_max <= 6 ? LIFE_max + 1 : NaN):(-$1):2 with labels left font FONT.',9' textcolor rgb SOFT noenhanced, \
	     life(act) using (named(act) && LIFE_max > 6 ? LIFE_max - 0.5 : NaN):(-$1):2 with labels right font FONT.',9' textcolor rgb 'white' noenhanced
	set xtics 10 scale 0.5 format '' nomirror
	set ytics nomirror
}
unset multiplot

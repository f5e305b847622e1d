# The picture: latency above, busy connections below, both acts in both panels.
#
# demo/result.sh runs this and takes the picture from standard output.  It sets
#   data            directory with ACT/seconds and ACT/busy
#   kind            svg or png
#   before, after   seconds shown on either side of the migration
#   again           when act 2 ran the migration a second time
#   most            connections that the services can have
#   patience        seconds after which a request is given up
#   where           server and machine, as a text
#   failed_act1, failed_act2    how many requests failed, as a text

FONT = 'DejaVu Sans'
if (kind eq 'svg') {
	set terminal svg size 1100,760 font FONT.',14' background '#ffffff'
} else {
	set terminal pngcairo size 2200,1520 font FONT.',14' fontscale 2 linewidth 2 background '#ffffff'
}

RED = '#c8372d'; GREEN = '#12795a'; INK = '#2b2b2b'; SOFT = '#767676'

seconds(act) = sprintf('%s/%s/seconds', data, act)
busy(act) = sprintf('%s/%s/busy', data, act)

set multiplot
set lmargin at screen 0.085
set rmargin at screen 0.965
set border 3 linecolor rgb '#9a9a9a'
set tics nomirror textcolor rgb INK
set grid ytics linecolor rgb '#e8e8e8' linetype 1 linewidth 1
set xrange [-before:after]
set xtics scale 0.5
unset key
set arrow 1 from first 0, graph 0 to first 0, graph 1 nohead linecolor rgb SOFT dashtype 3 back
set arrow 2 from first again, graph 0 to first again, graph 1 nohead linecolor rgb SOFT dashtype 3 back

# Latency
set tmargin at screen 0.80
set bmargin at screen 0.475
set label 1 'One migration, the same traffic: without guard and with it' at screen 0.03, 0.955 font FONT.',20' textcolor rgb INK
set label 2 'The migration drops five indexes that the running services need.  '.where.'.' at screen 0.03, 0.912 textcolor rgb SOFT
set label 3 'Latency: the median of each second, and the range of 90 % of its requests' \
	at graph 0, 1.09 left textcolor rgb INK
set label 6 sprintf("without guard: %s requests fail,\nmost of them given up after %d s", failed_act1, patience) \
	at first after, graph 0.80 right textcolor rgb RED
set label 7 sprintf('with guard: %s fail', failed_act2) at first after, graph 0.06 right textcolor rgb GREEN
set logscale y
set yrange [0.05:20000]
set ytics scale 0.5 ('0.1 ms' 0.1, '1 ms' 1, '10 ms' 10, '100 ms' 100, '1 s' 1000, '10 s' 10000)
set xtics 5 format ''
plot seconds('act1') using 1:4:5 with filledcurves fillcolor rgb RED fillstyle transparent solid 0.15 noborder, \
     seconds('act2') using 1:4:5 with filledcurves fillcolor rgb GREEN fillstyle transparent solid 0.18 noborder, \
     seconds('act1') using 1:3 with lines linewidth 2.5 linecolor rgb RED, \
     seconds('act2') using 1:3 with lines linewidth 2.5 linecolor rgb GREEN

# Busy connections
unset logscale y
unset label
set tmargin at screen 0.375
set bmargin at screen 0.075
set label 3 'Busy connections' at graph 0, 1.09 left textcolor rgb INK
set label 4 sprintf('all %d that the services can have: new ones are refused', most) \
	at first -before, first most left offset 1, 0.7 textcolor rgb SOFT
set label 8 'the migration runs' at first 0, first most * 0.4 right offset -0.7, 0 textcolor rgb SOFT
set label 9 "in act 2 once more,\ninside BEGIN … COMMIT" at first again, first most * 0.4 left offset 0.7, 0 textcolor rgb SOFT
set label 6 'without guard' at first after, first most * 0.85 right textcolor rgb RED
set label 7 'with guard' at first after, first most * 0.09 right textcolor rgb GREEN
set yrange [0:most * 1.15]
set ytics 10 format '%g'
set xtics ('−10 s' -10, '−5 s' -5, '0' 0, '+5 s' 5, '+10 s' 10, '+15 s' 15, '+20 s' 20)
plot most with lines linewidth 1.2 dashtype 2 linecolor rgb SOFT, \
     busy('act1') using 1:2 with lines linewidth 2.5 linecolor rgb RED, \
     busy('act2') using 1:2 with lines linewidth 2.5 linecolor rgb GREEN
unset multiplot

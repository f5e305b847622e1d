// report.js LOGS SOURCE: what the histories did and what guard said, from the files that test/histories left in LOGS.
'use strict';
const fs = require('fs');
const path = require('path');
const [, , logs, source] = process.argv;
const read = (file) => (fs.existsSync(path.join(logs, file)) ? fs.readFileSync(path.join(logs, file), 'utf8') : '');

// Guard's functions, as "file function": the log names both for every line.
const ours = new Set();
for (const file of fs.readdirSync(source, { recursive: true }))
	if (file.endsWith('.c'))
		for (const [, name] of fs.readFileSync(path.join(source, file), 'utf8').matchAll(/^(\w+)\(/gm))
			ours.add(`${path.basename(file)} ${name}`);

const said = {};                 // by database: how many of each level, and what the errors said
for (const line of read('server.json').split('\n').filter(Boolean)) {
	const entry = JSON.parse(line);
	if (!ours.has(`${entry.file_name} ${entry.func_name}`)) continue;
	const of = (said[entry.dbname] ??= { NOTICE: 0, WARNING: 0, errors: [] });
	if (['ERROR', 'FATAL', 'PANIC'].includes(entry.error_severity) || /could not/.test(entry.message))
		of.errors.push(`${entry.error_severity}: ${entry.message} (${entry.state_code})`);
	else if (entry.error_severity in of) of[entry.error_severity]++;
}

let passed = 0, failed = 0, skipped = 0, migrations = 0;
const notes = [];
const row = (name, ...cells) => console.log(name.padEnd(32) + cells.map((cell) => String(cell).padStart(9)).join(''));
row('history', 'up', 'down', 'dropped', 'WARNINGs', 'NOTICEs', 'refused');
for (const file of fs.readdirSync(logs).filter((name) => name.endsWith('.result')).sort()) {
	const run = file.slice(0, -7);
	const result = read(file).trim();
	const lines = read(run).split('\n');
	const up = lines.filter((line) => line.startsWith('up ')).length;
	const down = lines.filter((line) => line.startsWith('down ')).length;
	const of = said[run.replace(/\.(\w+)$/, '-$1')] || { NOTICE: 0, WARNING: 0, errors: [] };
	migrations += up + down;
	row(run, up, down, read(`${run}.dropped`).trim() || '-', of.WARNING, of.NOTICE, of.errors.length);
	const why = lines.find((line) => line.startsWith('FAIL ')) || read(`${run}.err`).trim().split('\n').pop();
	if (result === 'guard' || of.errors.length) {
		failed++;
		notes.push(`FAILED ${run}: ${why}`, ...of.errors.map((error) => `    ${error}`));
	} else if (result === 'ok' && up > 0) passed++;
	else if (result === 'own' && /^FAIL down/.test(why)) {
		passed++;
		notes.push(`${run} cannot go back all the way, without guard either: ${why}`);
	}
	else {
		skipped++;
		notes.push(result.startsWith('skip') ? result : `skip ${run}: fails without guard as well: ${why || 'no migration'}`);
	}
}
notes.forEach((note) => console.log(note));
console.log(`${migrations} migrations`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed || !passed ? 1 : 0);

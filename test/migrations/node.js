// node.js HISTORY PATH each|whole: run one history of a JavaScript tool on the database of PGDATABASE, up and then down.
//
// "each" runs every migration in a session of its own, "whole" all of them in one.  Every migration is a line "up NAME" or
// "down NAME"; the first that fails is a line "FAIL up|down NAME: message", and the end.  With FILL set to the name of a folder,
// psql runs its fill.sql after every migration up; should a migration not bear such rows, empty.sql takes them away for good.
//
// Only what a migration needs in order to send its SQL is installed.  For everything else that it imports (the application
// around it) it gets something hollow: whatever it asks of that is hollow, too.
'use strict';
const fs = require('fs');
const path = require('path');
const Module = require('module');
const { execFileSync } = require('child_process');
const { Client } = require('pg');

const [, , history, place, manner] = process.argv;
const each = manner === 'each';

// pg takes the user from PGUSER only where nobody names another one.
const connection = { host: process.env.PGHOST, user: process.env.PGUSER, database: process.env.PGDATABASE };

let rows = process.env.FILL;
const there_and_back = process.env.UP_ONLY ? ['up'] : ['up', 'down'];

function psql(file) {
	execFileSync('psql', ['-qXf', path.join(process.env.FILL, file)], { stdio: 'ignore' });
}

function done(way, name) {
	console.log(`${way} ${name}`);
	if (way === 'up' && rows) psql('fill.sql');
}

function fail(way, name, error) {
	console.log(`FAIL ${way} ${name}: ${String((error && error.message) || error).replace(/\s+/g, ' ').slice(0, 300)}`);
	process.exit(1);
}

// bear: do `work`, and once more without the rows where it cannot bear them.
async function bear(work) {
	try {
		return await work();
	} catch (error) {
		if (!rows) throw error;
		rows = undefined;
		psql('empty.sql');
		return work();
	}
}

// attempt: what one migration does, with its line.
async function attempt(way, name, work) {
	await bear(work).catch((error) => fail(way, name, error));
	done(way, name);
}

// hollow: something that can be called, constructed, extended and asked for anything.
function hollow() {
	const nothing = function () {};
	return new Proxy(nothing, {
		get: (target, key) => {
			if (key === 'prototype') return target.prototype;
			if (key === Symbol.toPrimitive) return () => '';
			if (key === Symbol.iterator) return function* () {};
			if (key === 'then' || key === '__esModule' || typeof key === 'symbol') return undefined;
			return hollow();
		},
		apply: () => hollow(),
		construct: () => ({}),
	});
}

// standIns: from now on, what the migrations import is hollow, unless it is a file of theirs, a part of Node, or `given`.
function standIns(given) {
	const load = Module._load;
	Module._load = function (request, parent, ...rest) {
		const theirs = !/\/node_modules\//.test(parent.filename) && parent.filename !== __filename;
		if (theirs && request in given) return given[request];
		if (!theirs || Module.isBuiltin(request)) return load.call(this, request, parent, ...rest);
		if (!request.startsWith('.') && !path.isAbsolute(request)) return hollow();
		try {
			return load.call(this, request, parent, ...rest);
		} catch (error) {
			if (error.code !== 'MODULE_NOT_FOUND') throw error;
			return hollow();
		}
	};
}

function files(ending) {
	return fs.readdirSync(place).filter((file) => file.endsWith(ending)).sort();
}

// inSession: run `work` with a connection of its own.
async function inSession(work) {
	const client = new Client(connection);
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

// What the migrations of n8n ask of the application.
const n8n = {
	count: 0,
	given: {
		'@n8n/config': { GlobalConfig: {} },
		'@n8n/di': { Container: { get: () => ({
			database: { type: 'postgresdb', tablePrefix: '', postgresdb: { database: connection.database, schema: 'public' } },
			info() {}, warn() {}, debug() {}, error() {},
			n8nFolder: '/nonexistent',
			executions: { mode: 'regular' },
		}) }, Service: () => () => {} },
		'@n8n/utils/generate-nano-id': { generateNanoId: () => `n${String(n8n.count++).padStart(15, '0')}` },
		nanoid: { nanoid: () => `n${n8n.count++}` },
		'n8n-workflow': { UnexpectedError: Error, UserError: Error, OperationalError: Error, jsonParse: JSON.parse },
	},
	// A migration that wants no transaction around it forbids one around all.
	mixed: (migrations) => (migrations.some((migration) => migration.prototype.transaction === false) ? 'each' : 'all'),
};

const kinds = {
	async knex() {
		const knex = require('knex');
		const step = async (what, way) => {
			const tool = knex({ client: 'pg', connection, migrations: { directory: place }, pool: { min: 0, max: 1 } });
			try {
				const [, names] = await tool.migrate[what](undefined, way === 'down' && !each);
				return names.map((file) => path.basename(file));
			} finally {
				await tool.destroy();
			}
		};
		for (const way of there_and_back) {
			const what = each ? way : way === 'up' ? 'latest' : 'rollback';
			for (;;) {
				const names = await bear(() => step(what, way)).catch((error) => fail(way, what, error));
				names.forEach((name) => done(way, name));
				if (!names.length || !each) break;
			}
		}
	},

	async 'db-migrate'() {
		const dbmigrate = require('db-migrate');
		const names = files('.js').map((file) => file.slice(0, -3));
		const step = async (way, count) => {
			const tool = dbmigrate.getInstance(true, {
				config: { dev: { driver: 'pg', ...connection } },
				env: 'dev',
				cmdOptions: { 'migrations-dir': place },
				throwUncatched: true,
			});
			tool.silence(true);
			await tool[way](count);
		};
		// A migration that throws does so in a callback, far from here, and leaves its connection behind.
		let thrown = () => {};
		process.on('uncaughtException', (error) => error.code === '57P01' || thrown(error));
		const safely = (work) => Promise.race([work(), new Promise((resolve, reject) => { thrown = reject; })]);
		for (const way of there_and_back) {
			const order = way === 'up' ? names : [...names].reverse();
			if (each) for (const name of order) await attempt(way, name, () => safely(() => step(way, 1)));
			else {
				await safely(() => step(way, names.length)).catch((error) => fail(way, 'all', error));
				order.forEach((name) => done(way, name));
			}
		}
	},

	// PATH has an index.js that lists the migrations.  n8n's own TypeORM is near enough to the original.
	async typeorm() {
		const { DataSource, ...rest } = require('typeorm');
		const uuid = { v4: () => require('crypto').randomUUID() };
		const lazy = require('p-lazy');
		n8n.given['@n8n/permissions'] = require('@n8n/permissions');
		standIns({ uuid, 'p-lazy': lazy, typeorm: { DataSource, ...rest }, '@n8n/typeorm': { DataSource, ...rest }, ...n8n.given });
		const list = require(place).postgresMigrations;
		if (history === 'n8n') {
			// One that only mends data, through the application's own classes.
			list.splice(list.findIndex((migration) => migration.name.startsWith('PurgeInvalidWorkflowConnections')), 1);
			// Not every one can go back: those before it shall, all the same.
			for (const migration of list) migration.prototype.down ??= async () => {};
			list.forEach(require(path.join(place, '../migration-helpers')).wrapMigration);
		}
		await inSession((client) => client.query('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"'));
		const step = async (way, migrations) => {
			const tool = await new DataSource({ type: 'postgres', host: connection.host, username: connection.user,
				database: connection.database, migrations }).initialize();
			try {
				if (way === 'up') await tool.runMigrations({ transaction: each ? 'each' : n8n.mixed(migrations) });
				else await tool.undoLastMigration({ transaction: 'each' });
			} finally {
				await tool.destroy();
			}
		};
		if (each)
			for (let n = 1; n <= list.length; n++) await attempt('up', list[n - 1].name, () => step('up', list.slice(0, n)));
		else {
			await step('up', list).catch((error) => fail('up', 'all', error));
			list.forEach((migration) => done('up', migration.name));
		}
		if (there_and_back.includes('down'))
			for (const migration of [...list].reverse()) await attempt('down', migration.name, () => step('down', list));
	},

	// Medusa's modules; MikroORM's migrations only collect SQL, which its migrator then runs in one transaction.
	async mikroorm() {
		class Migration {
			statements = [];
			addSql(sql) { this.statements.push(sql); }
		}
		standIns({ '@medusajs/framework/mikro-orm/migrations': { Migration }, '@mikro-orm/migrations': { Migration } });
		const list = files('.js');
		const run = async (client, way, file) => {
			const [kind] = Object.values(require(path.join(place, file)));
			const migration = new kind();
			migration.execute = (sql) => client.query(sql);
			await migration[way]?.();            // not every one can go back
			for (const sql of migration.statements) await client.query(sql);
		};
		await each_or_whole(list, run);
	},

	// Files of plain SQL, up only.  Where PATH has the schema of several versions ("deploy"), the history begins with the first.
	async sql() {
		const order = (name) => name.replace(/\d+/g, (n) => n.padStart(8, '0'));
		let list = fs.readdirSync(place, { recursive: true }).filter((file) => file.endsWith('.sql'));
		list = list.sort((a, b) => (order(a) < order(b) ? -1 : 1));
		const first = /^deploy\/\d+\//.exec(list[0]);
		if (first) list = list.filter((file) => !file.startsWith('deploy/') || file.startsWith(first[0]));
		const words = { ':GRAPHILE_WORKER_SCHEMA': 'graphile_worker' };
		await inSession((client) => client.query('CREATE SCHEMA graphile_worker'));
		const run = async (client, way, file) => {
			let sql = fs.readFileSync(path.join(place, file), 'utf8');
			for (const [word, meaning] of Object.entries(words)) sql = sql.replaceAll(word, meaning);
			await client.query(sql);
		};
		await each_or_whole(list, run, ['up']);
	},

	// It has kept only its last few migrations: from the newest schema down, and up again.
	async 'pg-boss'() {
		const list = require(path.join(place, 'migrationStore.js')).getAll('pgboss').sort((a, b) => a.previous - b.previous);
		const newest = require(path.join(place, 'plans.js')).create('pgboss', list.at(-1).version);
		await attempt('up', 'create', () => inSession((client) => client.query(newest)));
		await each_or_whole(list.map((step) => step.version), async (client, way, version) => {
			const step = list.find((one) => one.version === version);
			for (const sql of (way === 'up' ? step.install : step.uninstall) || []) await client.query(sql);
		}, ['down', 'up']);
	},
};

// each_or_whole: `run` for each of the list, up and down, every one in a transaction and session of its own, or all in one.
async function each_or_whole(list, run, ways = there_and_back) {
	for (const way of ways) {
		const order = way === 'up' ? list : [...list].reverse();
		const transaction = (client, work) =>
			client.query('BEGIN').then(work).then(() => client.query('COMMIT'));
		if (each)
			for (const name of order)
				await attempt(way, name, () => inSession((client) => transaction(client, () => run(client, way, name))));
		else
			await inSession((client) =>
				transaction(client, async () => {
					for (const name of order)
						await run(client, way, name).catch((error) => fail(way, name, error));
				}).catch((error) => fail(way, 'COMMIT', error)));
		if (!each) order.forEach((name) => done(way, name));
	}
}

const kind = process.env.KIND;
process.on('unhandledRejection', (error) => fail('up or down', kind, error));
kinds[kind]().then(() => process.exit(0), (error) => fail('up or down', kind, error));

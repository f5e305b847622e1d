# guard: build, install and test.  What people type most:
#
#   make check                   build here and run every test; installs what is missing, touches no server of yours
#   make check-all               the same on every supported PostgreSQL; VERSIONS='17 18' for some of them
#   make demo                    play the incident without guard, refused, and dropped in stages, and draw it
#   make demo-ci                 play how the incident's migration is refused in CI, on an empty database with production's profile
#   make bench                   what guard costs
#   make check-histories         real projects' migration histories must run through
#   make check-clients           real migration tools must stop at a refusal, and nightly jobs run through
#   make check-postgres          PostgreSQL's own regression tests, with guard loaded (long); ASSERT='15 18' builds servers with
#                                assertions for it.  make check PG_CONFIG=$(test/assert_server 18) runs ours on such a one
#   make check-chain             random sequences of events: the index that traffic needs stays, whatever happens; CHAIN_SECS=60
#   make check-judge             verdicts on tables, indexes and statements drawn at random, against a twin without guard; JUDGE_SECS=60
#   make fuzz                    libFuzzer and a mutator of SQL on what reads other people's words; FUZZ_SECS=60
#   make check-source            what can be seen without running: ASCII, layout, names, comments, citations, layers, links
#   make reference               write doc/settings.md and doc/functions.md anew, from what guard itself says
#   make indent                  lay out the C source as pgindent does
#   make && sudo make install    build and install into the server that PG_CONFIG (default: pg_config in PATH) belongs to
#   make installcheck            run the tests against what is installed, each kind on a private server (not as root)
#   sudo make install-tools      guard_review, guard_profile, guard_load, guard_report and what belongs to them below PREFIX=/usr/local; needs no server and no headers of one
#   make deb                     Debian packages, each built in a tree of its release, in deb/; RELEASES='bookworm trixie'
#   make check-packages          the same, and what they do on bare machines of these releases
#   make release                 freeze the install script of this version, and put today's date beside it (packaging/release)
#   make image-layout            share/ and lib/ as an extension image has them, in LAYOUT=image (packaging/image)
#
# One test:  make installcheck REGRESS=drop_index ISOLATION= TAP_TESTS=
#            make installcheck REGRESS= ISOLATION= PROVE_TESTS=test/t/001_restart.pl
#            make installcheck REGRESS= ISOLATION= PGTAP_TESTS=test/pgtap/verdict.sql
# and the same words after "make check" or "make check-all VERSIONS=18"; KEEP=DIR there leaves results and logs in DIR.
#
# WERROR=1 turns warnings into errors.  All of our own test runs set it; a build of yours must not fail because a newer
# compiler has learnt a new warning.

EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" guard.control)

# These need neither PostgreSQL nor a compiler: they fetch both.  PGXS has a "check" too, one that only says no.
SELF_SUFFICIENT = check check-all check-chain check-judge check-clients check-histories check-packages check-postgres check-source indent reference fuzz demo demo-ci bench deb
# Nor do these.
TOOLS = guard_review guard_review.1 guard_profile guard_profile.1 guard_profile.sql guard_load guard_load.1 guard_report guard_report.1 guard.7 install-tools uninstall-tools
SELF_SUFFICIENT += $(TOOLS)
ifneq (,$(filter $(SELF_SUFFICIENT),$(MAKECMDGOALS)))

.PHONY: $(filter-out guard_review guard_review.1 guard_profile guard_profile.1 guard_profile.sql guard_load guard_load.1 guard_report guard_report.1 guard.7,$(SELF_SUFFICIENT))
RUN = @unset MAKEFLAGS MFLAGS MAKELEVEL; exec
check:
	$(RUN) test/run $(MAKEOVERRIDES)
check-all:
	$(RUN) test/matrix $(MAKEOVERRIDES)
check-chain:
	$(RUN) env $(MAKEOVERRIDES) test/chain/run
check-judge:
	$(RUN) env $(MAKEOVERRIDES) test/judge/run
check-clients:
	$(RUN) test/clients/run
check-histories:
	$(RUN) test/histories
check-packages:
	$(RUN) env $(MAKEOVERRIDES) test/packages/run
check-postgres:
	$(RUN) test/pg_regress_suite $(MAKEOVERRIDES)
check-source:
	$(RUN) test/source
fuzz:
	$(RUN) env $(MAKEOVERRIDES) test/fuzz/run
indent:
	$(RUN) src/tools/indent
reference:
	@for page in settings functions; do src/tools/reference $$page > doc/$$page.md; done
deb:
	$(RUN) env $(MAKEOVERRIDES) packaging/deb
demo:
	$(RUN) demo/run
demo-ci:
	$(RUN) demo/ci
bench:
	$(RUN) bench/run

PREFIX = /usr/local
tools_dir = $(DESTDIR)$(PREFIX)/bin
man_dir = $(DESTDIR)$(PREFIX)/share/man
# guard(7) takes go-md2man, those of the programs python3; where they are not, there is none.
man_pages = $(if $(shell command -v python3),guard_review.1 guard_profile.1 guard_load.1 guard_report.1) $(if $(shell command -v go-md2man),guard.7)
install-tools: guard_review guard_profile guard_profile.sql guard_load guard_report $(man_pages)
	install -d '$(tools_dir)'
	install -m 755 guard_review guard_profile guard_load guard_report '$(tools_dir)'
	install -D -m 644 guard_profile.sql '$(DESTDIR)$(PREFIX)/share/guard/guard_profile.sql'
	for page in $(man_pages); do install -D -m 644 $$page '$(man_dir)'/man$${page##*.}/$$page; done
uninstall-tools:
	rm -f '$(tools_dir)/guard_review' '$(tools_dir)/guard_profile' '$(tools_dir)/guard_load' '$(tools_dir)/guard_report' '$(DESTDIR)$(PREFIX)/share/guard/guard_profile.sql' '$(man_dir)/man1/guard_review.1' '$(man_dir)/man1/guard_profile.1' '$(man_dir)/man1/guard_load.1' '$(man_dir)/man1/guard_report.1' '$(man_dir)/man7/guard.7'

# "make clean check"
$(filter-out $(SELF_SUFFICIENT),$(MAKECMDGOALS)):
	@$(MAKE) --no-print-directory $@

else

# PGXS's, before any rule of ours
all:

EXTENSION = guard
MODULE_big = guard

# The library that has libpq is one of its own, loaded by the worker that needs it.
REPORT = guard_report$(DLSUFFIX)
OBJS = $(patsubst %.c,%.o,$(filter-out src/report/%,$(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))))

# The install script: its parts, in the order in which they run.
SQL_PARTS = $(sort $(wildcard src/sql/[0-9]*.sql))
# The script and the library know each other by this (guard_store_matches).
PROFILE_SCHEMA = doc/profile.schema.json
SQL_ID := $(shell cat $(SQL_PARTS) $(PROFILE_SCHEMA) | cksum | cut -d' ' -f1)
src/store/store.o src/store/store.bc: override CPPFLAGS += -DGUARD_SQL_ID='"$(SQL_ID)"'
src/store/store.o src/store/store.bc: $(SQL_PARTS) $(PROFILE_SCHEMA)
UPDATES = $(sort $(wildcard src/sql/updates/$(EXTENSION)--*--*.sql))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql $(notdir $(UPDATES))
SCRIPTS_built = guard_review guard_profile guard_load guard_report

# PostgreSQL needs two exceptions: every callback that it asks for has unused parameters, and macros of its headers
# (ARR_DATA_PTR, for one) mix signed and unsigned.
PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare $(if $(WERROR),-Werror) -MMD -MP

# Tests.  Each kind makes its own private server with test/guard.conf and removes it again.
TEMP_CONFIG = $(CURDIR)/test/guard.conf
SERVER_OPTS = --temp-config=$(TEMP_CONFIG) --no-locale --encoding=UTF8
REGRESS := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --temp-instance=$(CURDIR)/tmp_check_regress $(SERVER_OPTS) --temp-config=$(CURDIR)/test/sql.conf
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --temp-instance=$(CURDIR)/tmp_check_iso $(SERVER_OPTS) --inputdir=$(srcdir)/test/isolation
# Who names one Perl test on the command line does not want the pgTAP ones, nor the other way round; TAP_TESTS= wants neither.
named = $(if $(findstring command,$(origin $1)),$($1))
PROVE_TESTS := $(if $(call named,PGTAP_TESTS),,$(sort $(wildcard test/t/*.pl)))
PGTAP_TESTS := $(if $(call named,PROVE_TESTS),,$(sort $(wildcard test/pgtap/*.sql)))
TAP_TESTS := $(if $(PROVE_TESTS),1)
ifeq ($(origin TAP_TESTS):$(TAP_TESTS),command line:)
PGTAP_TESTS :=
endif
override PROVE_FLAGS += -I $(CURDIR)/test/perl
# PostgreSQL::Test::Cluster adds this file to the configuration of every server it makes.
installcheck: export TEMP_CONFIG := $(TEMP_CONFIG)

EXTRA_CLEAN = guard_report.so guard_report.dylib src/report/guard_report.o src/report/guard_report.d $(EXTENSION)--*.sql $(OBJS:.o=.d) .built-for .headers guard_review.1 guard_profile.1 guard_profile.sql guard_load.1 guard_report.1 guard.7
EXTRA_CLEAN += tmp_check* results output_iso log regression.diffs regression.out

PG_CONFIG ?= pg_config
NN := $(or $(shell $(PG_CONFIG) --version 2> /dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/'),NN)
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2> /dev/null))
ifeq (,$(PGXS))
$(error $(PG_CONFIG) leads to no server headers: install postgresql-server-dev-$(NN) (Debian) or postgresql$(NN)-devel (RHEL), or set PG_CONFIG=/path/to/pg_config)
endif
# Headers are followed by -MMD above: PGXS's own way (--enable-depend, not in every packaged server) confuses files of the
# same name in two folders.
override autodepend =
# Bitcode only serves JIT inlining: without the clang and LLVM that this PostgreSQL was built with, do without it.
LLVM_TOOLS := $(shell sed -n 's/^CLANG *= *//p; s,^LLVM_BINPATH *= *\(.*\),\1/llvm-lto,p' $(dir $(PGXS))../Makefile.global)
ifneq (2,$(words $(shell for tool in $(LLVM_TOOLS); do command -v $$tool; done)))
override with_llvm = no
endif
include $(PGXS)

$(EXTENSION)--$(EXTVERSION).sql: $(SQL_PARTS) $(PROFILE_SCHEMA) guard.control Makefile
	sed -e 's/@SQL_ID@/$(SQL_ID)/' -e '/@PROFILE_SCHEMA@/{r $(PROFILE_SCHEMA)' -e 'd}' $(SQL_PARTS) > $@
$(notdir $(UPDATES)): %: src/sql/updates/% $(SQL_PARTS) Makefile
	sed 's/@SQL_ID@/$(SQL_ID)/' $< > $@

src/report/guard_report.o: override CPPFLAGS += -I$(libpq_srcdir)
src/report/guard_report.o: override CFLAGS += $(CFLAGS_SL)
$(REPORT): src/report/guard_report.o
	$(CC) $(CFLAGS) $< $(LDFLAGS) $(LDFLAGS_SL) -shared -o $@ $(libpq)
.PHONY: install-report uninstall-report
all: $(REPORT)
install: install-report
install-report: $(REPORT) installdirs
	$(INSTALL_SHLIB) $(REPORT) '$(DESTDIR)$(pkglibdir)/'
uninstall: uninstall-report
uninstall-report:
	rm -f '$(DESTDIR)$(pkglibdir)/$(REPORT)'

# What an extension image holds: /share and /lib, for extension_control_path and dynamic_library_path.
LAYOUT = image
.PHONY: image-layout
image-layout: all
	install -d '$(LAYOUT)/share/extension' '$(LAYOUT)/lib' '$(LAYOUT)/licenses/guard'
	install -m 644 guard.control $(DATA_built) '$(LAYOUT)/share/extension'
	install -m 755 guard$(DLSUFFIX) $(REPORT) '$(LAYOUT)/lib'
	install -m 644 LICENSE '$(LAYOUT)/licenses/guard'

# Objects of one PostgreSQL version are worthless for another: PG_CONFIG=... in the same folder builds everything anew.  Not a
# file per version: for PGXS every file is .SECONDARY, and the lack of one of those alone rebuilds nothing.
$(OBJS) src/report/guard_report.o: .built-for
.PHONY: FORCE
.built-for: FORCE
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
-include $(OBJS:.o=.d) src/report/guard_report.d
$(OBJS:.o=.bc): %.bc: %.o

# A header that is missing is told once, with the packages that have it.
$(OBJS): | .headers
.headers: .built-for
	@src/tools/headers $(NN) '$(OBJS:.o=.c)' $(CC) $(CPPFLAGS)
	@touch $@

# pgTAP scripts come before the others only because PGXS owns the recipe of installcheck.
.PHONY: installcheck-pgtap
installcheck: installcheck-pgtap
installcheck-pgtap:
	$(if $(PGTAP_TESTS),PATH="$(bindir):$$PATH" test/prove_sql $(CURDIR)/tmp_check_pgtap $(TEMP_CONFIG) $(PGTAP_TESTS))

# The step of a release that is not asked of people (CONTRIBUTING.md).
.PHONY: release
release: $(EXTENSION)--$(EXTVERSION).sql
	packaging/release $(EXTVERSION)

# For scripts: make -s print-REGRESS
print-%:
	@echo '$($*)'

endif

guard_review: src/review/guard_review.py guard.control Makefile
	sed 's/@VERSION@/$(EXTVERSION)/' $< > $@
	chmod 755 $@

# The functions of the extension's own part, made in pg_temp instead.
guard_profile.sql: src/profile/guard_profile.sql src/sql/70_profile.sql guard.control Makefile
	sed 's/guard\.profile_/pg_temp.profile_/g' src/sql/70_profile.sql > $@.functions
	sed -e '/@FUNCTIONS@/{r $@.functions' -e 'd}' -e 's/@VERSION@/$(EXTVERSION)/' $< > $@
	rm -f $@.functions

guard_profile: src/profile/guard_profile.py guard_profile.sql
	sed -e '/@SQL@/{r guard_profile.sql' -e 'd}' -e 's/@VERSION@/$(EXTVERSION)/' $< > $@
	chmod 755 $@

guard_load: src/load/guard_load.py guard.control Makefile
	sed 's/@VERSION@/$(EXTVERSION)/' $< > $@
	chmod 755 $@

guard_report: src/page/guard_report.py guard.control Makefile
	sed 's/@VERSION@/$(EXTVERSION)/' $< > $@
	chmod 755 $@

guard_review.1 guard_profile.1 guard_load.1 guard_report.1: %.1: % src/tools/man
	src/tools/man ./$< > $@

guard.7: src/tools/man7 README.md doc/settings.md doc/functions.md guard.control
	src/tools/man7 > $@

// SPDX-License-Identifier: MIT
/*
 * The files of activated services: valid contents, and the place and text of errors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tests/run-cases.h"
#include "activation-config.h"
#include "log.h"

static struct text_problem problem;

static int try(const char *text, struct activation_config **ret_config)
{
	memset(&problem, 0, sizeof(problem));
	return activation_config_read("test", text, strlen(text), ret_config, &problem);
}

START_TEST(a_program)
{
	struct activation_config *config;

	ck_assert_int_eq(try("# one\nname a.b a.c/d\n\nrun /bin/x \"a b\" c # so\nuser eve\n"
			     "timeout 3", &config), 0);
	ck_assert_str_eq(config->file, "test");
	ck_assert(activation_config_has_name(config, "a.b") && activation_config_has_name(config, "a.c/d"));
	ck_assert(!activation_config_has_name(config, "a"));
	ck_assert_str_eq(config->command[0], "/bin/x");
	ck_assert_str_eq(config->command[1], "a b");
	ck_assert_str_eq(config->command[2], "c");
	ck_assert_ptr_null(config->command[3]);
	ck_assert_ptr_null(config->unit);
	ck_assert_str_eq(config->user, "eve");
	ck_assert_uint_eq(config->timeout_sec, 3);
	ck_assert_ptr_null(activation_config_free(config));
	ck_assert_ptr_null(activation_config_free(NULL));
}
END_TEST

START_TEST(a_unit)
{
	struct activation_config *config;

	ck_assert_int_eq(try("unit mixer.service\nname mixer.main\n", &config), 0);
	ck_assert_str_eq(config->unit, "mixer.service");
	ck_assert_ptr_null(config->command);
	ck_assert_uint_eq(config->timeout_sec, ACTIVATION_TIMEOUT_SEC);
	activation_config_free(config);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *problem;
	} wrong[] = {
		{ "", 0, "no name line" },
		{ "name a\n", 1, "no run or unit line" },
		{ "\nstart x\n", 2, "unknown word \"start\"; use name, run, unit, user or timeout" },
		{ "name\n", 1, "\"name\" needs a value" },
		{ "name a b(\n", 1, "\"b(\" is not a valid name" },
		{ "name a\nname b\n", 2, "more than one name line; write all names on one" },
		{ "run x\n", 1, "\"x\" is not an absolute path of a program" },
		{ "run /x\nunit x.service\n", 2, "more than one run or unit line" },
		{ "unit -x.service\n", 1,
		  "\"-x.service\" is not the name of a unit, such as mixer.service" },
		{ "unit x\n", 1, "\"x\" is not the name of a unit, such as mixer.service" },
		{ "user a b\n", 1, "more than one user: \"b\"" },
		{ "timeout 1K\n", 1, "a timeout must be 1 to 3600 seconds" },
		{ "timeout 0\n", 1, "a timeout must be 1 to 3600 seconds" },
		{ "run /x \"a\n", 1, "a quote is not closed" },
	};
	struct activation_config *config;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ck_assert_int_eq(try(wrong[i].text, &config), -EINVAL);
		ck_assert_str_eq(problem.text, wrong[i].problem);
		ck_assert_uint_eq(problem.line, wrong[i].line);
	}
}
END_TEST

static char folder[] = "/tmp/activations.XXXXXX";

static void put(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(files_are_found_and_names_are_in_one)
{
	const char *folders[] = { folder, "/nonexistent", NULL };
	struct activation_configs *configs;
	char command[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(activation_configs_load(folders, &configs), 0);
	ck_assert_uint_eq(configs->count, 0);
	activation_configs_free(configs);
	put("b.conf", "name b\nunit b.service\n");
	put("a.conf", "name a\nrun /a\n");
	ck_assert_int_eq(activation_configs_load(folders, &configs), 0);
	ck_assert_uint_eq(configs->count, 2);
	ck_assert(activation_config_has_name(configs->list[0], "a"));
	ck_assert_uint_eq(configs->list[0]->uid, geteuid());
	activation_configs_free(configs);

	put("c.conf", "name c b\nrun /c\n");
	ck_assert_int_eq(activation_configs_load(folders, &configs), -EINVAL);
	put("c.conf", "name c\nrun /c\nuser no-such-user\n");
	ck_assert_int_eq(activation_configs_load(folders, &configs), -EINVAL);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Returns the warnings about the files of the folder. */
static const char *warnings(const char *of)
{
	static struct log_copy copy;
	const char *folders[] = { of, NULL };
	struct activation_configs *configs;

	memset(&copy, 0, sizeof(copy));
	log_begin_copy(&copy);
	ck_assert_int_eq(activation_configs_load(folders, &configs), 0);
	log_end_copy();
	ck_assert_uint_eq(configs->count, 1);
	activation_configs_free(configs);
	/* The first is checked. There must be no second. */
	ck_assert_uint_le(copy.size, strlen(copy.text) + 1);
	return copy.text;
}

static void warns(const char *of, const char *path, const char *problem)
{
	const char *text = warnings(of);
	size_t size = strlen(path);

	ck_assert_msg(!strncmp(text, path, size) && text[size] == ':' && strstr(text, problem),
		      "%s: %s: \"%s\"", path, problem, text);
}

static const char *in(const char *top, const char *name)
{
	static char paths[4][64];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

START_TEST(others_who_can_change_a_file_are_reported)
{
	static const char every[] = "every user can change it", group[] = "can change it; remove";
	char top[] = "/tmp/activations.XXXXXX", file[64], elsewhere[64], links[64], command[64];
	bool is_root = geteuid() == 0;

	umask(022);
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(folder, sizeof(folder), "%s", top);
	put("a.conf", "name a\nrun /a\n");
	strcpy(file, in(top, "a.conf"));
	ck_assert_str_eq(warnings(top), "");
	ck_assert_int_eq(chmod(file, 0646), 0);
	warns(top, file, every);
	ck_assert_int_eq(chmod(file, 0664), 0);
	if (is_root) {
		ck_assert_int_eq(chown(file, 0, 1), 0);
		warns(top, file, group);
		ck_assert_int_eq(chown(file, 1, 0), 0);
		warns(top, file, "its owner, user 1, can change it");
		ck_assert_int_eq(chown(file, 0, 0), 0);
		ck_assert_str_eq(warnings(top), "");
	}
	ck_assert_int_eq(chmod(file, 0644), 0);

	/* The folder, also if it is sticky, because others can add files to it. */
	ck_assert_int_eq(chmod(top, 0757), 0);
	warns(top, top, every);
	ck_assert_int_eq(chmod(top, 01757), 0);
	warns(top, top, every);
	ck_assert_int_eq(chmod(top, 0755), 0);

	/* The folder of a file behind two links, and the folders above it. */
	strcpy(elsewhere, in(top, "x"));
	strcpy(links, in(top, "links"));
	ck_assert_int_eq(mkdir(elsewhere, 0755), 0);
	ck_assert_int_eq(mkdir(links, 0755), 0);
	ck_assert_int_eq(rename(file, in(elsewhere, "a")), 0);
	ck_assert_int_eq(symlink("../a.link", in(links, "a.conf")), 0);
	ck_assert_int_eq(symlink("x//a", in(top, "a.link")), 0);
	ck_assert_str_eq(warnings(links), "");
	ck_assert_int_eq(chmod(elsewhere, 0757), 0);
	warns(links, in(links, "../x"), every);
	ck_assert_int_eq(chmod(elsewhere, 01757), 0);
	ck_assert_str_eq(warnings(links), "");
	ck_assert_int_eq(chmod(top, 0757), 0);
	warns(links, top, every);

	/* A relative path. */
	ck_assert_int_eq(chdir(top), 0);
	warns("links", top, every);
	ck_assert_int_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -r %s", top);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
	return RUN_CASES("activation", NULL, NULL, a_program, a_unit, what_is_wrong_is_said,
			 files_are_found_and_names_are_in_one,
			 others_who_can_change_a_file_are_reported);
}

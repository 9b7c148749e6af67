// SPDX-License-Identifier: MIT
/*
 * Pictures of graphs: what DOT is made of edges, and that graphviz makes an SVG of
 * that. On the host, for the guest has no graphviz.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "draw.h"
#include "ipcctl.h"

/* What was printed by the one function or the other. */
static char text[65536];

static json_t *edges(void)
{
	return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s, s:i, s:i, s:i, s:f}]", "from",
			 "client(12)", "to", "server(7)", "service", "demo.echo", "from",
			 "say \"x\\(13)", "to", "server(7)", "service", "7/3", "calls", 1200,
			 "oneways", 5, "failures", 1, "p50_us", 85.4);
}

static void dot(void)
{
	FILE *file = fmemopen(text, sizeof(text), "w");
	json_t *all = edges();

	draw_dot(file, all);
	json_decref(all);
	fclose(file);
}

/* A case is a process of its own, so its standard output may be anything. */
static int svg(void)
{
	char path[] = "/tmp/test-draw.XXXXXX";
	int fd = mkstemp(path), status;
	json_t *all = edges();
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	status = draw_svg(all);
	json_decref(all);
	n = pread(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return status;
}

START_TEST(edges_are_dot)
{
	dot();
	ck_assert_ptr_eq(strstr(text, "digraph ipcbus {\n"), text);
	ck_assert_ptr_nonnull(strstr(text, "\t\"client(12)\" -> \"server(7)\" [penwidth=1.0, "
					   "label=\"demo.echo\"];\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\t\"say \\\"x\\\\(13)\" -> \"server(7)\" [penwidth=3.4, "
			     "color=red, label=\"7/3\\n1200 calls, 85 us\\n5 oneways\"];\n"));
}
END_TEST

START_TEST(dot_makes_svg)
{
	ck_assert_int_eq(svg(), STATUS_OK);
	ck_assert_ptr_nonnull(strstr(text, "<svg "));
	ck_assert_ptr_nonnull(strstr(text, "</svg>"));
	ck_assert_ptr_nonnull(strstr(text, ">demo.echo</text>"));
	ck_assert_ptr_nonnull(strstr(text, ">server(7)</text>"));
	ck_assert_ptr_nonnull(strstr(text, ">say &quot;x\\(13)</text>"));
}
END_TEST

/* The second line of what is said names the package; live-traffic reads it. */
START_TEST(without_dot_there_is_none)
{
	setenv("PATH", "/nowhere", 1);
	ck_assert_int_eq(svg(), STATUS_FAILED);
	ck_assert_str_eq(text, "");
}
END_TEST

/* One that fails before it has read anything does not end us. */
START_TEST(a_failure_of_dot_is_reported)
{
	char folder[] = "/tmp/test-draw.XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/dot", folder);
	ck_assert_int_eq(symlink("/bin/false", path), 0);
	setenv("PATH", folder, 1);
	ck_assert_int_eq(svg(), STATUS_FAILED);
	unlink(path);
	rmdir(folder);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("draw");
	TCase *tcase = tcase_create("draw");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, edges_are_dot);
	tcase_add_test(tcase, dot_makes_svg);
	tcase_add_test(tcase, without_dot_there_is_none);
	tcase_add_test(tcase, a_failure_of_dot_is_reported);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

// SPDX-License-Identifier: MIT
/*
 * ipcctl describe, call, ping and dump, in the guest, with the servicemanager and with services
 * that were not written for these tests.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"

static pid_t echo;

static void begin(void)
{
	echo = live_echo();
}

static void end(void)
{
	live_stop(echo);
}

START_TEST(a_service_describes_itself)
{
	const struct ran *ran = live_run("describe demo.echo");
	json_t *description, *method;

	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "package echo;"));
	ck_assert_ptr_nonnull(strstr(ran->out, "  rpc Say(SayRequest) returns (SayReply);\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "  string text = 1;\n"));
	ck_assert_str_eq(live_run("describe --methods demo.echo")->out, "Say\n");
	description = live_json("describe --json demo.echo");
	method = live_find(json_object_get(description, "methods"), "method", "Say");
	ck_assert_str_eq(json_string_value(json_object_get(description, "interface")), "echo.Echo");
	ck_assert_str_eq(json_string_value(json_object_get(method, "request")), "echo.SayRequest");
	json_decref(description);
	ran = live_run("describe servicemanager");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "  repeated Entry entries = 1;\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "  ipc.Object object = 2;\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n  /" "/ Ends a watch. The name,"));
}
END_TEST

START_TEST(a_method_is_called)
{
	json_t *reply = live_json("call demo.echo Say '{\"text\": \"grüß\"}'");

	ck_assert_str_eq(json_string_value(json_object_get(reply, "text")), "grüß");
	json_decref(reply);
	ck_assert_str_eq(live_run("call --json demo.echo Say '{\"text\": \"x\"}'")->out,
			 "{\"text\":\"x\"}\n");
	ck_assert_str_eq(live_run("--version >/dev/null; (echo '{\"text\": \"in\"}' | "
				  "ipcctl --json call demo.echo Say -)")
				 ->out,
			 "{\"text\":\"in\"}\n");
	ck_assert_ptr_nonnull(strstr(
		live_run("call servicemanager List '{\"prefix\": \"demo\"}'")->out, "demo.echo"));
}
END_TEST

START_TEST(mistakes_are_explained)
{
	const struct ran *ran = live_run("call demo.echo Say");

	/* The service itself refuses an empty text. */
	ck_assert_int_eq(ran->status, 8);
	ck_assert_str_eq(ran->err, "ipcctl: Say: echo.Empty: nothing to say\n");
	ran = live_run("call --json demo.echo Say");
	ck_assert_str_eq(ran->err, "{\"message\":\"Say: echo.Empty: nothing to say\",\"status\":8,"
				   "\"origin\":\"peer\",\"error\":-121,"
				   "\"error_name\":\"echo.Empty\","
				   "\"error_text\":\"nothing to say\"}\n");
	ran = live_run("call demo.echo Shout");
	ck_assert_int_eq(ran->status, 3);
	ck_assert_str_eq(ran->err, "ipcctl: echo.Echo has no method Shout; it has: Say\n");
	ran = live_run("call demo.echo Say '{\"txt\": 1}'");
	ck_assert_int_eq(ran->status, 2);
	ck_assert_ptr_nonnull(strstr(ran->err, "ipcctl: Say: echo.SayRequest has no field txt\n"));
	ran = live_run("call demo.echo Say '{\"text\": 1}'");
	ck_assert_int_eq(ran->status, 2);
	ck_assert_ptr_nonnull(strstr(ran->err, "text: expected a string"));
	ck_assert_int_eq(live_run("call demo.echo Say '{\"text\": '")->status, 2);
	ck_assert_int_eq(live_run("call demo.echo Say '[]'")->status, 2);
	ck_assert_int_eq(live_run("call no.body Say")->status, 3);
	ran = live_run("call demo.ehco Say");
	ck_assert_int_eq(ran->status, 3);
	ck_assert_ptr_nonnull(strstr(ran->err, "no service is registered as demo.ehco"));
	ck_assert_int_eq(live_run("freeze echo")->status, 3);
	ck_assert_int_eq(live_run("pign demo.echo")->status, 2);
	ck_assert_int_eq(live_run("call demo.echo")->status, 2);
}
END_TEST

/* Returns the size of the request that the monitor sees. */
static json_int_t size_of(const char *options)
{
	json_t *row;
	json_int_t size;

	row = live_json("--version >/dev/null; (ipcctl monitor --json --method Say --uid root "
			"--count 1 --timeout 30 & while kill -0 $! 2>&-; do "
			"ipcctl call %s demo.echo Say '{\"text\": \"x\"}' >/dev/null; done)",
			options);
	size = json_integer_value(json_object_get(row, "size"));
	json_decref(row);
	return size;
}

START_TEST(metadata_is_sent)
{
	json_int_t bare = size_of("");

	ck_assert_int_gt(size_of("--metadata trace=17 --metadata b=="), bare + 10);
	ck_assert_int_eq(live_run("call --metadata trace demo.echo Say")->status, 2);
	ck_assert_int_eq(live_run("call --metadata =17 demo.echo Say")->status, 2);
}
END_TEST

START_TEST(a_stopped_service_is_given_up)
{
	const struct ran *ran;
	char hint[96], text[512];
	sigset_t alarm;

	snprintf(hint, sizeof(hint), "its process is stopped (SIGSTOP); continue it: kill -CONT %d",
		 echo);
	kill(echo, SIGSTOP);
	ck_assert_int_eq(live_run("call --timeout 0.5 demo.echo Say '{\"text\": \"x\"}'")->status,
			 7);
	snprintf(text, sizeof(text),
		 "{\"message\":\"service demo.echo did not reply within 0.500 s\",\"status\":7,"
		 "\"hint\":\"%s\",\"origin\":\"bus\",\"error\":-110}\n", hint);
	ck_assert_str_eq(live_run("ping --json --timeout 0.5 demo.echo")->err, text);
	/* The parent may have blocked the signal of the timeout. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	ck_assert_int_eq(live_run("ping --timeout 0.5 demo.echo")->status, 7);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	/* Without --timeout, too. */
	ran = live_run("ping demo.echo");
	ck_assert_int_eq(ran->status, 7);
	snprintf(text, sizeof(text), "ipcctl: service demo.echo did not reply within 5.000 s\n"
		 "ipcctl: %s\n", hint);
	ck_assert_str_eq(ran->err, text);
	kill(echo, SIGCONT);
	ck_assert_int_eq(live_run("ping --timeout 60 demo.echo")->status, 0);
	ck_assert_int_eq(live_run("ping --timeout 60 servicemanager")->status, 0);
	ck_assert_int_eq(live_run("freeze demo.echo")->status, 0);
	ck_assert_int_eq(live_run("ping demo.echo")->status, 9);
	ck_assert_int_eq(live_run("thaw demo.echo")->status, 0);
}
END_TEST

START_TEST(replies_stream_line_by_line)
{
	pid_t clock = live_start("/t/examples/clock/server", NULL);
	const struct ran *ran;

	ck_assert_int_eq(live_run("wait --timeout 60 demo.clock")->status, 0);
	ran = live_run(
		"--version >/dev/null; (ipcctl call demo.clock Watch '{\"period_ms\": 20}' | "
		"head -n 3)");
	ck_assert_ptr_eq(strstr(ran->out, "{\"number\":"), ran->out);
	ck_assert_ptr_nonnull(strstr(ran->out, "}\n{\"number\":"));
	ran = live_run(
		"--version >/dev/null; (echo '{\"number\": 1, \"usec\": 5} {\"usec\": \"7\"}' | "
		"ipcctl call demo.clock Compare --json)");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "\"clocks\":2"));
	ck_assert_int_eq(live_run("call demo.clock Compare '{\"none\": 1}'")->status, 2);
	ck_assert_int_eq(live_run("call demo.clock Watch '{\"none\": 1}'")->status, 2);
	kill(clock, SIGKILL);
}
END_TEST

START_TEST(bytes_are_base64)
{
	pid_t camera = live_start("/t/examples/frames/server", NULL);
	const struct ran *ran;

	ck_assert_int_eq(live_run("wait --timeout 60 demo.camera")->status, 0);
	ran = live_run("call demo.camera Watch '{\"width\": 1, \"height\": 1, \"count\": 2}'");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "\"pixels\":\"AQAAAA==\"}\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\"pixels\":\"AgAAAA==\"}\n"));
	ran = live_run("--version >/dev/null; (ipcctl call demo.camera Watch '{\"width\": 1200, "
		       "\"height\": 1100, \"count\": 1}' | grep -o '[A-Za-z0-9+/=]*' | wc -L)");
	ck_assert_str_eq(ran->out, "7040000\n");
	kill(camera, SIGKILL);
}
END_TEST

START_TEST(files_go_in_and_out)
{
	pid_t files, story = live_start("/t/examples/story/server", NULL);
	json_t *reply;

	ck_assert_int_eq(system("mkdir -p /tmp/live-files && echo inside >/tmp/live-files/a"), 0);
	files = live_start("/t/examples/files/server", "/tmp/live-files", NULL);
	ck_assert_int_eq(live_run("wait --timeout 60 demo.files demo.story")->status, 0);
	ck_assert_str_eq(live_run("call --cat demo.files Open '{\"name\": \"a\"}'")->out,
			 "inside\n");
	ck_assert_ptr_nonnull(
		strstr(live_run("call demo.files Open '{\"name\": \"a\"}'")->out, "\"fd\": "));
	reply = live_json("call demo.story Share '{\"file\": \"/tmp/live-files/a\"}'");
	ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(reply, "text")), "inside"));
	json_decref(reply);
	ck_assert_int_eq(live_run("call demo.story Log '{\"line\": \"x\"}'")->status, 0);
	ck_assert_str_eq(live_run("call demo.story Log '{\"line\": \"x\"}'")->out, "");
	kill(files, SIGKILL);
	kill(story, SIGKILL);
}
END_TEST

START_TEST(services_write_their_dumps)
{
	pid_t story = live_start("/t/examples/story/server", NULL);
	const struct ran *ran;

	ck_assert_int_eq(live_run("wait --timeout 60 demo.story")->status, 0);
	ran = live_run("dump demo.story");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_str_eq(ran->out, "0 lines wait to be read\n");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
			live_run("call demo.story Log '{\"line\": \"line %d\"}'", i)->status, 0);
	ck_assert_str_eq(live_run("dump demo.story")->out,
			 "3 lines wait to be read\nline 0\nline 1\nline 2\n");
	ck_assert_str_eq(live_run("dump demo.story 2 'e 0'")->out,
			 "3 lines wait to be read\nline 0\nline 2\n");
	ck_assert_str_eq(live_run("dump demo.story -- --none")->out, "3 lines wait to be read\n");
	ran = live_run("--version >/dev/null; su user -c 'ipcctl dump demo.story'");
	ck_assert_int_eq(ran->status, 6);
	ck_assert_str_eq(ran->out, "");
	kill(story, SIGKILL);

	ran = live_run("dump demo.echo");
	ck_assert_int_eq(ran->status, 3);
	ck_assert_ptr_nonnull(strstr(ran->err, "has no dump"));
	ck_assert_int_eq(live_run("dump no.body")->status, 3);
}
END_TEST

START_TEST(a_report_has_everything)
{
	pid_t story = live_start("/t/examples/story/server", NULL);
	const struct ran *ran;

	ck_assert_int_eq(live_run("wait --timeout 60 demo.story")->status, 0);
	ran = live_run("dump --all --timeout 30");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "=== ipcctl "));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n=== doctor ===\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n=== list --activatable ===\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n=== policy show ===\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n=== tree ===\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "\n=== dump demo.story ===\n0 lines wait"));
	ck_assert_ptr_nonnull(strstr(ran->out, "service demo.echo has no dump"));

	/* A stopped service affects only its own part of the output. */
	kill(story, SIGSTOP);
	ran = live_run("dump --all --timeout 5");
	kill(story, SIGCONT);
	ck_assert_ptr_nonnull(strstr(ran->out, "service demo.story did not reply within 5.000 s"));
	ck_assert_ptr_nonnull(strstr(ran->out, "service demo.echo has no dump"));

	ran = live_run("--version >/dev/null; su user -c 'ipcctl dump --all'");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "permission"));
	ck_assert_int_eq(live_run("dump --all demo.story")->status, 2);
	ck_assert_int_eq(live_run("dump")->status, 2);
	kill(story, SIGKILL);
}
END_TEST

int main(void)
{
	live_fixture(begin, end);
	return LIVE_TESTS("ipcctl call", a_service_describes_itself, a_method_is_called,
			  mistakes_are_explained, metadata_is_sent,
			  a_stopped_service_is_given_up, replies_stream_line_by_line,
			  bytes_are_base64, files_go_in_and_out, services_write_their_dumps,
			  a_report_has_everything);
}

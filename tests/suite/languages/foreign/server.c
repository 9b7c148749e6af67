// SPDX-License-Identifier: MIT
/*
 * A hostile server for the bindings, "test.foreign": it ends each call with an error. Its name and
 * text are texts[] of the method's number. For higher numbers, it uses text 1 and no name.
 */
#include <errno.h>
#include <string.h>

#include <ipc/ipc.h>
#include <ipc/name.h>
#include <ipc/raw.h>

#define LONG (64 << 10)

static char much[LONG + 1];

static const char *const texts[] = {
	"",
	/* A title, a color, and a line that looks like a prompt. */
	"\x1b]2;owned\a\x1b[31mred\x7f\r\nroot# ",
	/* CSI as a separate character. */
	"\xc2\x9b" "31mred",
	/* Invalid UTF-8, including CSI as a byte. */
	"\xff\x9b" "31m\xe2\x82|\xed\xa0\x80",
	/* Right-to-left override, and zero-width characters. */
	"a\xe2\x80\xae" "b\xe2\x80\x8b" "c\xd8\x9c",
	much,
};
#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct ipc_error error = IPC_ERROR_INIT;

	(void)userdata;
	if (request->method >= N_TEXTS)
		return ipc_call_fail(call, EISDIR, NULL, "%s", texts[1]);
	error.name = error.text = (char *)texts[request->method];
	error.details = much;
	error.details_size = LONG;
	return ipc_call_fail_with(call, &error);
}

int main(void)
{
	const struct ipc_raw_ops ops = { .serve = serve };
	struct ipc_object *object;
	struct ipc *ipc;
	int r;

	memset(much, 'x', LONG);
	r = ipc_open(&ipc, NULL);
	if (r == 0)
		r = ipc_raw_object_new(ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_register_name(ipc, "test.foreign", object, /* ret_slot= */ NULL);
	if (r == 0)
		r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve test.foreign", r, NULL) : 0;
}

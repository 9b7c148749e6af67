// SPDX-License-Identifier: MIT
/*
 * Thread functions for replaced oneways: CLI sends, SRV takes.
 */
#include "replace.h"
#include "scenarios.h"

static int replacing_oneway(u32 code)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE, .code = code,
		.data = (uintptr_t)"pack!", .data_size = 5,
	};

	return exchange(0, &send, 0, NULL);
}

void prepare_replace(void)
{
	be_side(CLI);
	CHECK(!replacing_oneway(1));
	CHECK(!replacing_oneway(2));
}

void replace_both(void *unused)
{
	(void)unused;
	for (u32 code = 1; code <= 2; code++) {
		int r = replacing_oneway(code);

		CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN || r == -EBADF);
	}
}

/* The last oneway of each code arrives, whatever other threads do. */
void serve_until_both(void *unused)
{
	struct ipcbus_event event;
	u32 seen = 0;

	(void)unused;
	while (seen != 6) {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY && event.code <= 2);
		seen |= 1U << event.code;
		reply_to(&event);
	}
}

// SPDX-License-Identifier: MIT
/*
 * The open files of this process; see files.h.
 */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "files.h"

void files_note(struct files *ret)
{
	for (size_t fd = 0; fd < sizeof(ret->open); fd++)
		ret->open[fd] = fcntl(fd, F_GETFD) >= 0;
}

void files_expect(const struct files *then)
{
	struct files now;

	files_note(&now);
	for (size_t fd = 0; fd < sizeof(now.open); fd++)
		ck_assert_msg(now.open[fd] == then->open[fd], "fd %zu was left %s", fd,
			      now.open[fd] ? "open" : "closed");
}

void files_close_new(const struct files *then)
{
	for (size_t fd = 0; fd < sizeof(then->open); fd++)
		if (!then->open[fd])
			close(fd);
}

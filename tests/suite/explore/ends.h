/* SPDX-License-Identifier: MIT */
/* Scenarios of calls that end early, and of oneways that wait for room: see ends.c. */
#pragma once

/* Threads: each side's part in calls that may end before their answer. */
void ends_serve(void *unused);
void ends_serve_by_chain(void *unused);
void ends_serve_badly(void *unused);
void ends_call(void *unused);
void ends_call_by_deadline(void *unused);
void ends_call_and_poll(void *unused);
void ends_call_async(void *unused);
void ends_call_async_and_wait(void *unused);
void ends_call_async_by_deadline(void *unused);
void ends_cancel(void *unused);
void ends_time(void *unused);
void ends_reply(void *unused);

void ends_prepare(void);
void ends_prepare_chain(void);
void ends_prepare_async(void);

/* Threads: senders that find no room, and who makes it. */
void room_wait(void *unused);
void room_wait_until(void *unused);
void room_wait_signalled(void *unused);
void room_signal(void *unused);
void room_poll(void *unused);
void room_poll_either(void *unused);
void room_try(void *unused);
void room_try_or_closed(void *unused);
void room_make(void *unused);
/* One that replaces another; serve until that was taken. */
void room_replace_wait(void *unused);
void room_replace_poll(void *unused);
void room_serve_newer(void *unused);
/* Another that waits as well. */
void room_wait_newer(void *unused);
void room_make_and_serve_newer(void *unused);

void room_prepare(void);
void room_prepare_replace(void);
void room_prepare_line(void);
void room_prepare_two(void);
void room_prepare_signal(void);

/* SPDX-License-Identifier: MIT */
/* Shares of regions, and users that come and go: CLI and OTH are other users than
 * SRV. What the threads do, and what is there before. */
#pragma once

void shares_prepare(void);
void shares_prepare_full(void);
void shares_prepare_sent(void);

void shares_send(void *unused);
void shares_serve_two(void *unused);
void shares_wait(void *unused);
void shares_make_room(void *unused);
void shares_open_and_send(void *unused);

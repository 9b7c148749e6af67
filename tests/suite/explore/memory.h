/* SPDX-License-Identifier: MIT */
/* Thread functions about memory; see memory.c. */
#pragma once

/* SRV holds a message; released a message; released a message as large as its region. */
void memory_prepare_held(void);
void memory_prepare_idle(void);
void memory_prepare_full(void);

/* Reclaims memory. */
void memory_reclaim(void *unused);
/* SRV reads pages that may or may not be mapped. */
void memory_touch(void *unused);
/* CLI sends a oneway; calls with a message as large as SRV's region. */
void memory_send(void *unused);
void memory_call_full(void *unused);
/* SRV reads the message that it holds and releases it; the same with the next message. */
void memory_look_and_free(void *unused);
void memory_serve(void *unused);
/* SRV replies to the large call. */
void memory_serve_full(void *unused);

/* SPDX-License-Identifier: MIT */
/* What threads of scenarios do about memory: see memory.c. */
#pragma once

/* SRV holds a message; had one and released it; had one as large as its region. */
void memory_prepare_held(void);
void memory_prepare_idle(void);
void memory_prepare_full(void);

/* Memory is short. */
void memory_reclaim(void *unused);
/* SRV reads what may or may not be there. */
void memory_touch(void *unused);
/* CLI sends a oneway; calls with a message as large as SRV's region. */
void memory_send(void *unused);
void memory_call_full(void *unused);
/* SRV looks at the message it holds and releases it; the same with the next. */
void memory_look_and_free(void *unused);
void memory_serve(void *unused);
/* SRV replies to the large call. */
void memory_serve_full(void *unused);

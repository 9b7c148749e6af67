/* SPDX-License-Identifier: MIT */
/* Oneways that replace each other, for the table in scenarios.c. */
#pragma once

/* Two oneways with different codes are queued. */
void prepare_replace(void);
void replace_both(void *unused);
void serve_until_both(void *unused);

/* SPDX-License-Identifier: MIT */
/*
 * Pictures of who talks to whom, for ipcctl graph: edges as DOT, and as the SVG that
 * graphviz's dot makes of it. No bus here.
 */
#ifndef IPCCTL_DRAW_H
#define IPCCTL_DRAW_H

#include <jansson.h>
#include <stdio.h>

/* edges: an array of objects with from, to and service, and perhaps calls, oneways,
 * failures and p50_us. */
void draw_dot(FILE *file, const json_t *edges);

/* To standard output. Says itself what went wrong; an enum status. */
int draw_svg(const json_t *edges);

#endif

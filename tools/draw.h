/* SPDX-License-Identifier: MIT */
/*
 * Draws the edges of ipcctl graph as DOT, or as SVG with the help of graphviz's dot. Needs
 * no bus.
 */
#ifndef IPCCTL_DRAW_H
#define IPCCTL_DRAW_H

#include <jansson.h>
#include <stdio.h>

/* edges: an array of objects with from, to and service, and perhaps calls, oneways,
 * failures and p50_us. */
void draw_dot(FILE *file, const json_t *edges);

/* Prints to standard output. Prints what went wrong; returns an enum status. */
int draw_svg(const json_t *edges);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the command line. what: the option or argument, for the message. Both return an
 * enum status.
 */
#ifndef IPCCTL_NUMBER_H
#define IPCCTL_NUMBER_H

/* A number from min to max. */
int number_parse(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number);

/* Seconds with up to three decimals, 1 ms to a day, as milliseconds. */
int number_parse_seconds(const char *what, const char *text, unsigned int *ret_ms);

#endif

# SPDX-License-Identifier: MIT
"""How make compiles a source and links test programs, and how a program is run."""

import json
import os
import re
import shlex
import signal
import subprocess
import time

QUIET = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}


def environment(**more):
	env = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
	path = [p for p in env['PATH'].split(':') if not p.endswith('/ccache')]
	env.update(PATH=':'.join(path), CCACHE_DISABLE='1', **more)
	return env


def commands(build, sources, programs):
	"""Returns make's commands if the sources had changed: one per line, without blank lines."""
	flags = [arg for source in sources for arg in ('-W', source)]
	said = subprocess.run(['make', '-n', 'V=1', f'B={build}', *flags, *programs], check=True,
			      capture_output=True, text=True, env=environment()).stdout
	return said.replace('\\\n', ' ').splitlines()


class Recipes:
	"""objects: source -> {object: [command]}; links: program -> command"""

	def __init__(self, build, sources, programs):
		self.objects, self.links = {s: {} for s in sources}, {}
		steps = {}
		for line in commands(build, sources, programs):
			words = line.split()
			output = words[words.index('-o') + 1] if '-o' in words else ''
			if '-c' in words and words[-1] in self.objects:
				self.objects[words[-1]][output] = steps[output] = [line]
			elif output in programs:
				self.links[output] = line
			elif words and words[-1] in steps and words[0] != 'mkdir':
				steps[words[-1]].append(line)

	def object_for(self, source, program):
		"""The object of the source that the program is linked with, or None."""
		words = self.links.get(program, '').split()
		return next((o for o in self.objects[source] if o in words), None)


def in_place(command, replaced):
	"""The command with other paths in place of some."""
	for old, new in replaced.items():
		command = re.sub(rf'(?<!\S){re.escape(old)}(?!\S)', new, command)
	return command


def succeeds(command):
	return subprocess.run(['bash', '-c', command], env=environment(), check=False, **QUIET).returncode == 0


def session_members(sid):
	for pid in filter(str.isdigit, os.listdir('/proc')):
		try:
			with open(f'/proc/{pid}/stat', encoding='latin1') as file:
				fields = file.read().rsplit(')', 1)[1].split()
		except (OSError, IndexError):
			continue
		if int(fields[3]) == sid and fields[0] not in 'ZX':
			yield int(pid)


def end_session(sid):
	"""Ends all processes of the program's session, in any process group."""
	for pid in session_members(sid):
		try:
			os.kill(pid, signal.SIGKILL)
		except ProcessLookupError:
			pass


def first_failure(cases):
	"""Returns the first failed case in the file so far."""
	try:
		with open(cases, encoding='utf-8', errors='replace') as file:
			return next((line.strip() for line in file if line.startswith('not ok')), '')
	except FileNotFoundError:
		return ''


def run(program, limit, work, **env):
	"""Runs until the end, the first failed case, or the limit. Returns the problem, or ''."""
	cases = os.path.join(work, 'cases')
	if os.path.exists(cases):
		os.unlink(cases)
	argv = shlex.split(program)
	env = environment(CK_TAP_LOG_FILE_NAME=cases, TMPDIR=work,
			  ASAN_OPTIONS='hard_rss_limit_mb=2000', **env)
	with subprocess.Popen(argv, env=env, start_new_session=True, **QUIET) as process:
		end = time.monotonic() + limit
		try:
			while process.poll() is None:
				failure = first_failure(cases)
				if failure:
					return failure
				if time.monotonic() > end:
					return f'timeout: not done after {limit:.0f} s'
				time.sleep(0.01)
		finally:
			end_session(process.pid)
	failure = first_failure(cases)
	return failure or (f'status {process.returncode}' if process.returncode not in (0, 77) else '')


def covered(notes):
	"""Returns {source: executed lines} from the gcov output of a run."""
	lines = {}
	for document in notes.splitlines():
		for file in json.loads(document)['files']:
			ran = {line['line_number'] for line in file['lines'] if line['count']}
			lines.setdefault(file['file'], set()).update(ran)
	return lines


def coverage(program, limit, work):
	"""Runs a program built for gcov. Returns its seconds and the executed lines, or None."""
	began = time.monotonic()
	if run(program, limit, work, GCOV_PREFIX=work):
		return None
	seconds = time.monotonic() - began
	counted = [os.path.join(folder, name) for folder, _, names in os.walk(work) for name in names
		   if name.endswith('.gcda')]
	for path in counted:
		os.symlink(path[len(work):-len('.gcda')] + '.gcno', path[:-len('.gcda')] + '.gcno')
	notes = subprocess.run(['gcov', '-j', '-t', *counted], check=True, capture_output=True, text=True,
			       env=environment(), cwd=work).stdout
	return seconds, covered(notes)

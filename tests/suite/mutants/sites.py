# SPDX-License-Identifier: MIT
"""Places in a C file that can be changed, and how: one operator, constant, condition or statement
at a time. Works on tokens, without a grammar: a change that does not compile is not a mutant."""

import re

TOKEN = re.compile(r'''
	(?P<space> \s+ | /\*.*?\*/ | //[^\n]* | ^[ \t]*\#(?:[^\n\\]|\\.)*)
	| (?P<text> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
	| (?P<number> 0[xX][0-9a-fA-F]+[uUlL]* | \d+[uUlL]*)
	| (?P<name> [A-Za-z_]\w*)
	| (?P<sign> <<= | >>= | \.\.\. | -> | \+\+ | -- | << | >> | && | \|\| | [-+*/%&|^<>=!]= | .)
	''', re.VERBOSE | re.DOTALL | re.MULTILINE)

BINARY = {'+': '-', '-': '+', '*': '/', '/': '*', '%': '/', '&': '|', '|': '&', '^': '|'}
SIGNS = {
	'<': ('<=', '>='), '<=': ('<', '>'), '>': ('>=', '<='), '>=': ('>', '<'),
	'==': ('!=',), '!=': ('==',), '&&': ('||',), '||': ('&&',), '<<': ('>>',), '>>': ('<<',),
	'+=': ('-=',), '-=': ('+=',), '|=': ('&=',), '&=': ('|=',), '++': ('--',), '--': ('++',),
	'!': ('',), '~': ('',),
}
NAMES = {'true': ('false',), 'false': ('true',)}

# Checks within the code, which tests never trigger, and pure reporting.
EXEMPT = re.compile(r'(lockdep_|WARN|BUG|BUILD_BUG|trace_ipcbus|might_|static_assert|assert$|'
		    r'_Static_assert|rcu_dereference_protected$|sizeof$|offsetof$|container_of$|'
		    r'__attribute__$|pr_|seq_printf$)')
CONTROL = {'if', 'for', 'while', 'switch'}
TYPES = {'struct', 'enum', 'union', 'const', 'static', 'int', 'char', 'bool', 'unsigned', 'long',
	 'void', 'size_t', 'typedef', 'extern', 'case', 'default', 'else', 'do'}


class Site:
	"""A place in a file, and its possible replacements."""

	def __init__(self, begin, end, options):
		self.begin, self.end, self.options = begin, end, options
		self.lines = ()  # first and last line of the statement

	def apply(self, text, option):
		"""The text with this change; each line keeps its number."""
		lost = text.count('\n', self.begin, self.end) - option.count('\n')
		return text[:self.begin] + option + '\n' * lost + text[self.end:]


def tokens(text):
	"""[(kind, text, offset)] without blanks, comments and directives."""
	return [(m.lastgroup, m.group(), m.start()) for m in TOKEN.finditer(text)
		if m.lastgroup != 'space']


def numbers(word):
	"""Neighbors of a constant."""
	digits = word.rstrip('uUlL')
	value, suffix = int(digits, 0) if digits.lower().startswith('0x') else int(digits), word[len(digits):]
	return tuple(f'{n}{suffix}' for n in (value + 1, value - 1) if n >= 0)


def options_of(tok, i):
	"""Returns the possible replacements of token i."""
	kind, word, _ = tok[i]
	before = tok[i - 1] if i else ('sign', '', 0)
	after_value = before[0] in ('name', 'number') and before[1] != 'return' or before[1] in (')', ']')
	if kind == 'number':
		return numbers(word)
	if kind == 'name':
		if word[0] == 'E' and word.isupper() and before[1] == '-':
			return ('EDOM',)
		return NAMES.get(word, ())
	if kind == 'sign' and word in BINARY:
		return (BINARY[word],) if after_value else ()
	return SIGNS.get(word, ()) if kind == 'sign' else ()


def is_statement(tok, first, last):
	"""Returns whether tokens first..last, with its ';', can be removed: a call, an
	assignment, a jump."""
	words = [t[1] for t in tok[first:last]]
	if not words or words[0] in TYPES or words[0] == 'return' and len(words) > 1:
		return False
	if EXEMPT.match(words[0]):
		return False
	# A declaration begins with two names, or with a name and a star.
	if len(words) > 1 and tok[first][0] == 'name' and words[0] != 'goto' and \
	   (tok[first + 1][0] == 'name' or words[1] == '*'):
		return False
	return True


class Scanner:
	"""Goes through the tokens once and collects sites."""

	def __init__(self, text):
		self.text, self.tok, self.sites = text, tokens(text), []
		self.open = []    # (, [ and { that are open: (sign, name before, index)
		self.start = 0    # first token of the statement
		self.pending = [] # its sites

	def line(self, i):
		return self.text.count('\n', 0, self.tok[i][2]) + 1

	def inside(self):
		"""Whether this is code: a function's body or a table's values."""
		return bool(self.open) and self.open[0][0] == '{' and self.open[0][1] in (')', '=')

	def exempt(self):
		return any(sign == '(' and EXEMPT.match(name) for sign, name, _ in self.open)

	def add(self, begin, end, options):
		if options and self.inside() and not self.exempt():
			self.pending.append(Site(begin, end, options))

	def end_statement(self, i):
		lines = (self.line(min(self.start, i)), self.line(i))
		for site in self.pending:
			site.lines = lines
		self.sites += self.pending
		self.pending, self.start = [], i + 1

	def close(self, i):
		sign, name, first = self.open.pop()
		begin, end = self.tok[first][2], self.tok[i][2] + 1
		if sign != '(' or name not in CONTROL:
			return
		if name == 'if':
			condition = self.text[begin:end]
			self.add(begin, end, ('(false)', '(true)', f'(!{condition})'.replace('\n', ' ')))
		self.end_statement(i)

	def scan(self):
		for i, (_, word, begin) in enumerate(self.tok):
			before = self.tok[i - 1][1] if i else ''
			self.add(begin, begin + len(word), options_of(self.tok, i))
			if word in ('(', '[', '{'):
				self.open.append((word, before, i))
			elif word in (')', ']', '}') and self.open:
				self.close(i)
			nested = any(o[0] != '{' for o in self.open)
			if word == ';' and not nested:
				if self.inside() and is_statement(self.tok, self.start, i):
					self.add(self.tok[self.start][2], begin, ('',))
				self.end_statement(i)
			elif word in ('{', '}', 'else', 'do') and not nested or \
					word == ':' and self.tok[self.start][1] in ('case', 'default') and not nested:
				self.end_statement(i)
		return self.sites


def sites_of(text):
	return Scanner(text).scan()

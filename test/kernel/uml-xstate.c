/*
 * User-mode Linux 6.1 restores its processes' floating-point registers with a buffer of the size that it was built for. On
 * processors with more of them (AMX) the host's ptrace(2) takes whole buffers only and answers EFAULT. Preloaded, this fills
 * such a buffer up with what the host has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*ptrace_function)(int, int, void *, void *);

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_function next;
	static char whole[64 * 1024];
	va_list arguments;
	va_start(arguments, request);
	int pid = va_arg(arguments, int);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);
	if (!next)
		next = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
	long result = next(request, pid, address, data);
	if (result != -1 || errno != EFAULT || request != PTRACE_SETREGSET || address != (void *)NT_X86_XSTATE)
		return result;
	struct iovec given = *(struct iovec *)data;
	struct iovec full = { whole, sizeof whole };
	if (next(PTRACE_GETREGSET, pid, address, &full) == -1)
		return -1;
	memcpy(whole, given.iov_base, given.iov_len < full.iov_len ? given.iov_len : full.iov_len);
	return next(PTRACE_SETREGSET, pid, address, &full);
}

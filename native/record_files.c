/* Which files of the program have copies with probes, and how the program meets them: part of the preloaded object that
 * records.
 *
 * The program is run from a copy, and so are its libraries. Where it starts itself again, is started by a shell or opens
 * a library by its path, the copy takes the original's place; where it asks for its own name it gets the original's.
 * Processes that run none of the copies are left alone, but for this.
 *
 * Between vfork and exec nothing here may allocate or change memory of the parent's: all is on the stack.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record_preload.h"

#define PUBLIC __attribute__((visibility("default")))
enum { MOST_COPIES = 64, MOST_TEXT = 64 << 10, MOST_VARIABLES = 32 };

struct file {
  const char *path;
  dev_t device;
  ino_t inode;
};

static struct {
  struct file original, copy;
} copies[MOST_COPIES];
static int count;
static char text[MOST_TEXT];          /* the paths, and the variables */
static size_t used;
static char *variables[MOST_VARIABLES]; /* what an environment must have for the object to work */
static int variable_count;
static char *preloaded; /* the object's path */
static int recorded;    /* the process runs a copy */
static const char *own; /* the copy that is its program; its libraries' copies lie beside it */

static char *keep(const char *from, size_t length) {
  if (used + length + 1 > MOST_TEXT) return NULL;
  char *to = text + used;
  memcpy(to, from, length);
  to[length] = 0;
  used += length + 1;
  return to;
}

static int find(struct file *file) {
  struct stat status;
  if (!file->path || stat(file->path, &status) != 0) return 0;
  file->device = status.st_dev;
  file->inode = status.st_ino;
  return 1;
}

static int is(const struct file *file, const struct stat *status) {
  return file->device == status->st_dev && file->inode == status->st_ino;
}

/* True for a copy that this process loads; a library may have one for each program. */
static int is_near(const char *path) { return own && strncmp(path, own, strlen(own)) == 0; }

/* The copy that stands for a file, which may be the copy itself; NULL where there is none. */
static const char *copy_of(const struct stat *status) {
  const char *found = NULL;
  for (int i = 0; i < count; i++) {
    if (is(&copies[i].copy, status)) return copies[i].copy.path;
    if (is(&copies[i].original, status) && (!found || is_near(copies[i].copy.path))) found = copies[i].copy.path;
  }
  return found;
}

static const char *copy_at(int folder, const char *path, int flags) {
  struct stat status;
  int saved = errno;
  const char *found = count && fstatat(folder, path, &status, flags) == 0 ? copy_of(&status) : NULL;
  errno = saved;
  return found;
}

static const char *known_copy(const char *path) {
  struct stat status;
  if (!path || !*path || stat(path, &status) != 0) return NULL;
  for (int i = 0; i < count; i++)
    if (is(&copies[i].copy, &status)) return copies[i].copy.path;
  return NULL;
}

static int look(struct dl_phdr_info *object, size_t size, void *given) {
  (void)size, (void)given;
  return known_copy(object->dlpi_name) != NULL;
}

/* BURNISH_RECORD_COPIES has a path of an original and one of its copy by turns, each ended by a newline. */
static void read_copies(const char *list) {
  while (list && *list && count < MOST_COPIES) {
    struct file pair[2];
    for (int i = 0; i < 2; i++) {
      size_t length = strcspn(list, "\n");
      pair[i].path = keep(list, length);
      list += length + (list[length] == '\n');
    }
    if (!find(&pair[0]) || !find(&pair[1])) continue;
    copies[count].original = pair[0];
    copies[count++].copy = pair[1];
  }
}

int burnish_record_files(char **environment) {
  for (char **at = environment; at && *at; at++) {
    size_t length = strlen(*at);
    if (strncmp(*at, "BURNISH_RECORD_", 15) == 0 && variable_count < MOST_VARIABLES - 1)
      variables[variable_count++] = keep(*at, length);
    if (strncmp(*at, "BURNISH_RECORD_COPIES=", 22) == 0) read_copies(*at + 22);
    if (strncmp(*at, "LD_PRELOAD=", 11) == 0) preloaded = keep(*at + 11, strcspn(*at + 11, ": "));
  }
  for (int i = 0; i < variable_count; i++)
    if (!variables[i]) count = 0; /* there was no room */
  own = known_copy("/proc/self/exe");
  if (!own) own = known_copy((const char *)getauxval(AT_EXECFN));
  recorded = own || dl_iterate_phdr(look, NULL);
  return recorded;
}

/* -- what the program starts ------------------------------------------------------------------------------------ */

static int is_ours(const char *entry) {
  return strncmp(entry, "BURNISH_RECORD_", 15) == 0;
}

static size_t length_of(char *const *list) {
  size_t length = 0;
  while (list && list[length]) length++;
  return length;
}

/* Room for an environment with our variables in it: entries, and the value of LD_PRELOAD. */
#define ROOM(environment, entries, value)                                                                             \
  char *entries[length_of(environment) + MOST_VARIABLES + 2];                                                         \
  char value[preload_length(environment)]

static const char *preload_of(char *const *environment) {
  for (char *const *at = environment; at && *at; at++)
    if (strncmp(*at, "LD_PRELOAD=", 11) == 0) return *at + 11;
  return "";
}

static size_t preload_length(char *const *environment) {
  return (preloaded ? strlen(preloaded) : 0) + strlen(preload_of(environment)) + 16;
}

/* The environment for a copy: without our variables it would run probes that have nowhere to write to. */
static char *const *completed(char *const *environment, char **entries, char *value, size_t size) {
  size_t length = 0;
  const char *others = preload_of(environment);
  for (char *const *at = environment; at && *at; at++)
    if (!is_ours(*at) && strncmp(*at, "LD_PRELOAD=", 11) != 0) entries[length++] = *at;
  for (int i = 0; i < variable_count; i++) entries[length++] = variables[i];
  if (!preloaded || strstr(others, preloaded)) snprintf(value, size, "LD_PRELOAD=%s", others);
  else snprintf(value, size, "LD_PRELOAD=%s%s%s", preloaded, *others ? ":" : "", others);
  entries[length++] = value;
  entries[length] = NULL;
  return entries;
}

PUBLIC int execve(const char *path, char *const arguments[], char *const environment[]) {
  const char *copy = copy_at(AT_FDCWD, path, 0);
  if (!copy) return (int)syscall(SYS_execve, path, arguments, environment);
  ROOM(environment, entries, value);
  return (int)syscall(SYS_execve, copy, arguments, completed(environment, entries, value, sizeof value));
}

PUBLIC int execveat(int folder, const char *path, char *const arguments[], char *const environment[], int flags) {
  const char *copy = copy_at(folder, path, flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
  if (!copy) return (int)syscall(SYS_execveat, folder, path, arguments, environment, flags);
  ROOM(environment, entries, value);
  return (int)syscall(SYS_execve, copy, arguments, completed(environment, entries, value, sizeof value));
}

PUBLIC int fexecve(int file, char *const arguments[], char *const environment[]) {
  return execveat(file, "", arguments, environment, AT_EMPTY_PATH);
}

PUBLIC int execv(const char *path, char *const arguments[]) { return execve(path, arguments, environ); }

/* The copy of what a search for ``name`` along PATH would find; NULL where that has none. */
static const char *searched(const char *name) {
  if (!count || !*name) return NULL;
  if (strchr(name, '/')) return copy_at(AT_FDCWD, name, 0);
  const char *list = getenv("PATH");
  char path[PATH_MAX];
  for (list = list ? list : "/bin:/usr/bin"; *list;) {
    size_t length = strcspn(list, ":");
    int size = snprintf(path, sizeof path, "%.*s%s%s", (int)length, list, length ? "/" : "", name);
    struct stat status;
    if (size > 0 && (size_t)size < sizeof path && access(path, X_OK) == 0 && stat(path, &status) == 0 &&
        S_ISREG(status.st_mode))
      return copy_of(&status);
    list += length + (list[length] == ':');
  }
  return NULL;
}

PUBLIC int execvpe(const char *name, char *const arguments[], char *const environment[]) {
  typedef int call(const char *, char *const[], char *const[]);
  const char *copy = searched(name);
  if (copy) return execve(copy, arguments, environment);
  return ((call *)dlsym(RTLD_NEXT, "execvpe"))(name, arguments, environment);
}

PUBLIC int execvp(const char *name, char *const arguments[]) { return execvpe(name, arguments, environ); }

/* The arguments of a variadic call as a list, and what follows their end. */
#define GATHER(first, list, rest)                                                                                     \
  va_list rest;                                                                                                       \
  size_t length = 1;                                                                                                  \
  va_start(rest, first);                                                                                              \
  while (va_arg(rest, char *)) length++;                                                                              \
  va_end(rest);                                                                                                       \
  char *list[length + 1];                                                                                             \
  list[0] = (char *)first;                                                                                            \
  va_start(rest, first);                                                                                              \
  for (size_t i = 1; i <= length; i++) list[i] = va_arg(rest, char *)

PUBLIC int execl(const char *path, const char *first, ...) {
  GATHER(first, list, rest);
  va_end(rest);
  return execve(path, list, environ);
}

PUBLIC int execlp(const char *name, const char *first, ...) {
  GATHER(first, list, rest);
  va_end(rest);
  return execvpe(name, list, environ);
}

PUBLIC int execle(const char *path, const char *first, ...) {
  GATHER(first, list, rest);
  char *const *environment = va_arg(rest, char *const *);
  va_end(rest);
  return execve(path, list, environment);
}

typedef int spawn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                  char *const[]);

static int spawned(const char *which, const char *copy, pid_t *pid, const char *path,
                   const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                   char *const arguments[], char *const environment[]) {
  spawn *next = (spawn *)dlsym(RTLD_NEXT, which);
  if (!copy) return next(pid, path, actions, attributes, arguments, environment);
  ROOM(environment, entries, value);
  return next(pid, copy, actions, attributes, arguments, completed(environment, entries, value, sizeof value));
}

PUBLIC int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
  const char *copy = copy_at(AT_FDCWD, path, 0);
  return spawned("posix_spawn", copy, pid, path, actions, attributes, arguments, environment);
}

PUBLIC int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
  return spawned("posix_spawnp", searched(name), pid, name, actions, attributes, arguments, environment);
}

/* -- what the program loads ------------------------------------------------------------------------------------- */

static const char *base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* What to load for ``path``. A name alone is that of a library which a run before found by it. */
__attribute__((used, visibility("hidden"))) const char *burnish_record_library(const char *path) {
  if (!recorded || !path || !*path) return path;
  const char *copy = NULL;
  if (strchr(path, '/')) copy = copy_at(AT_FDCWD, path, 0);
  else
    for (int i = 0; i < count; i++)
      if ((strcmp(path, base(copies[i].copy.path)) == 0 || strcmp(path, base(copies[i].original.path)) == 0) &&
          (!copy || is_near(copies[i].copy.path)))
        copy = copies[i].copy.path;
  return copy ? copy : path;
}

__attribute__((used, visibility("hidden"))) void *burnish_record_following(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

/* The loader looks at who calls dlopen, to know whose search path holds: so the call is handed on with the caller's own
 * return address. */
#define HAND_ON(name, before, path, after)                                                                            \
  __asm__(".text\n.globl " name "\n.type " name ", @function\n" name ":\n"                                            \
          "pushq %rdi\npushq %rsi\npushq %rdx\n"                                                                      \
          "leaq 1f(%rip), %rdi\ncall burnish_record_following\n"                                                      \
          "popq %rdx\npopq %rsi\npopq %rdi\n"                                                                         \
          "pushq %rdi\npushq %rsi\npushq %rdx\npushq %rax\nsubq $8, %rsp\n"                                           \
          "movq " path ", %rdi\ncall burnish_record_library\n"                                                        \
          "addq $8, %rsp\npopq %r11\npopq %rdx\npopq %rsi\npopq %rdi\n"                                               \
          "movq %rax, " path "\njmp *%r11\n"                                                                          \
          ".size " name ", . - " name "\n"                                                                            \
          ".section .rodata\n1: .asciz \"" name "\"\n.text\n")
HAND_ON("dlopen", , "%rdi", );
HAND_ON("dlmopen", , "%rsi", );

/* -- what the program is called --------------------------------------------------------------------------------- */

static const char *original_of(const char *path, size_t length) {
  for (int i = 0; i < count; i++)
    if (strlen(copies[i].copy.path) == length && strncmp(path, copies[i].copy.path, length) == 0)
      return copies[i].original.path;
  return NULL;
}

PUBLIC int dladdr(const void *address, Dl_info *info) {
  typedef int call(const void *, Dl_info *);
  int found = ((call *)dlsym(RTLD_NEXT, "dladdr"))(address, info);
  const char *original = found && info->dli_fname ? original_of(info->dli_fname, strlen(info->dli_fname)) : NULL;
  if (original) info->dli_fname = original;
  return found;
}

/* Of a link in /proc that leads to a copy: where it would lead. */
static ssize_t renamed(char *buffer, ssize_t length, size_t size) {
  const char *original = length > 0 ? original_of(buffer, (size_t)length) : NULL;
  if (!original) return length;
  size_t own = strlen(original);
  if (own > size) own = size;
  memcpy(buffer, original, own);
  if (own < (size_t)length) memset(buffer + own, 0, (size_t)length - own);
  return (ssize_t)own;
}

PUBLIC ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size) {
  return renamed(buffer, syscall(SYS_readlinkat, folder, path, buffer, size), size);
}

PUBLIC ssize_t readlink(const char *path, char *buffer, size_t size) {
  return readlinkat(AT_FDCWD, path, buffer, size);
}

PUBLIC char *realpath(const char *path, char *buffer) {
  typedef char *call(const char *, char *);
  char *found = ((call *)dlsym(RTLD_NEXT, "realpath"))(path, buffer);
  const char *original = found ? original_of(found, strlen(found)) : NULL;
  if (!original) return found;
  char *room = buffer ? buffer : realloc(found, strlen(original) + 1);
  return room ? strcpy(room, original) : found;
}

/* As gcc calls them where it knows the size of the buffer (-D_FORTIFY_SOURCE). */
PUBLIC ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t room) {
  return size > room ? (abort(), -1) : readlink(path, buffer, size);
}

PUBLIC ssize_t __readlinkat_chk(int folder, const char *path, char *buffer, size_t size, size_t room) {
  return size > room ? (abort(), -1) : readlinkat(folder, path, buffer, size);
}

PUBLIC char *__realpath_chk(const char *path, char *buffer, size_t room) {
  return room < PATH_MAX ? (abort(), NULL) : realpath(path, buffer);
}

/*
 * foreground PROGRAM [ARGUMENT...]: runs a program so that a terminal's Ctrl+C reaches it and not `make`.
 *
 * Ctrl+C sends SIGINT to every process of the terminal's foreground group. make, being one of them, would print an
 * error and exit with 130 even though the program ended well. So the program gets a process group of its own, which is
 * the foreground one while it runs. Without a terminal, or in the background of one, it simply becomes the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t program;

static void pass_on(int signal_number)
{
    kill(program, signal_number);
}

static void be_program(char **argv)
{
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    argv++;
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (terminal < 0 || tcgetpgrp(terminal) != getpgrp())
        be_program(argv);

    /* Both are blocked until there is a process to pass them on to. */
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    signal(SIGTTOU, SIG_IGN); /* or taking the terminal back, from the background, would stop this process */

    pid_t parent = getpid();
    program = fork();
    if (program < 0) {
        perror("foreground: fork");
        return 1;
    }
    if (program == 0) {
        setpgid(0, 0);
        tcsetpgrp(terminal, getpid());
        signal(SIGTTOU, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* whoever kills this one with SIGKILL leaves nothing running */
        if (getppid() != parent)
            _exit(1);
        be_program(argv);
    }
    setpgid(program, program);
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    sigprocmask(SIG_SETMASK, &before, NULL);

    for (;;) {
        int status;
        if (waitpid(program, &status, WUNTRACED) < 0) {
            if (errno == EINTR)
                continue;
            return 1;
        }
        tcsetpgrp(terminal, getpgrp());
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        /* Ctrl+Z: stop make's group too, so that the shell takes over. It goes on from here at `fg` or `bg`. */
        kill(0, SIGTSTP);
        if (tcgetpgrp(terminal) == getpgrp())
            tcsetpgrp(terminal, program);
        kill(-program, SIGCONT);
    }
}

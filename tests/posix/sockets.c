/* Sockets and fifos by name. */
#include "tests/posix/posix.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int bind_to(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);

	return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);

	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static void case_stream(void)
{
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0),
	    peer;
	char text[8] = "";

	works(bind_to(server, "s"), "bind makes a socket");
	ok(S_ISSOCK(posix_lstat("s").st_mode), "which stat shows");
	works(listen(server, 1), "listen");
	works(connect_to(client, "s"), "connect by the name");
	works(peer = accept(server, NULL, NULL), "accept");
	is_int(write(client, "text", 4), 4, "what is written");
	is_int(read(peer, text, sizeof(text)), 4, "is read");
	close(peer);
	close(client);
	rename("s", "t");
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	fails(ENOENT, connect_to(client, "s"), "connect by the old name after a rename");
	works(connect_to(client, "t"), "and by the new one");
	close(client);
	link("t", "u");
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	works(connect_to(client, "u"), "by a second name");
	close(client);
	fails(EADDRINUSE, bind_to(socket(AF_UNIX, SOCK_STREAM, 0), "t"),
		"bind to a name that is taken");
	close(server);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	fails(ECONNREFUSED, connect_to(client, "t"), "nobody listens after the close");
	unlink("t");
	unlink("u");
	posix_make(REGULAR, "n");
	fails(ECONNREFUSED, connect_to(client, "n"), "connect to a file");
	fails(ENOENT, connect_to(client, "missing"), "connect to nothing");
	unlink("n");
	close(client);
}

static void case_rights(void)
{
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client;

	umask(0177);
	bind_to(server, "s");
	umask(0);
	is_int(posix_mode("s"), 0600, "umask counts for sockets");
	listen(server, 5);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	AS (USER, GROUP)
		fails(EACCES, connect_to(client, "s"), "connect without the right to write");
	chmod("s", 0666);
	AS (USER, GROUP)
		works(connect_to(client, "s"), "and with it");
	close(client);
	close(server);
	unlink("s");
}

static void case_datagram(void)
{
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[8] = "";

	works(bind_to(server, "s"), "bind of a datagram socket");
	works(connect_to(client, "s"), "connect");
	is_int(send(client, "text", 4, 0), 4, "what is sent");
	is_int(recv(server, text, sizeof(text), 0), 4, "arrives");
	close(client);
	close(server);
	unlink("s");
}

static int write_fifo(void *argument)
{
	int fd = open(argument, O_WRONLY);

	return fd >= 0 && write(fd, "text", 4) == 4 ? 0 : 1;
}

static void case_fifo(void)
{
	char text[8] = "";
	int fd, status;
	pid_t pid;

	mkfifo("f", 0644);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(write_fifo("f"));
	works(fd = open("f", O_RDONLY), "who opens a fifo to read meets who opens it to write");
	is_int(read(fd, text, sizeof(text)), 4, "what is written is read");
	is_int(read(fd, text, sizeof(text)), 0, "then it ends");
	close(fd);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "for both");
	link("f", "g");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(write_fifo("g"));
	works(fd = open("f", O_RDONLY), "by two names of one fifo");
	is_int(read(fd, text, sizeof(text)), 4, "what is written is read");
	close(fd);
	waitpid(pid, &status, 0);
	unlink("f");
	unlink("g");
}

void posix_area_sockets(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_stream();
	case_rights();
	case_datagram();
	case_fifo();
}

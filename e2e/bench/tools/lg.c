/*
 * A small HTTP/1.1 load generator for LLM gateways: one thread, epoll. Prints one JSON object.
 *
 *   cc -O2 -o lg lg.c
 *   lg --port N --path /v1/chat/completions --body FILE [--header 'k: v']... [--stream]
 *      --conc 64 --duration 3      closed loop: 64 connections, no new request after 3 s
 *      --conc 64 --n 2000          closed loop: 2000 requests
 *      --rate 100 --n 200          open loop: a request every 10 ms; a new connection when none is idle
 *      [--ramp MS]                 closed loop: spread the connections' first requests over MS
 *      [--timeout 30]              seconds after which the run ends with whatever it has
 *
 * Times in microseconds: `latency` from a request's first byte sent to its answer's last byte received, `ttft` to the first
 * stamp "@<CLOCK_MONOTONIC ns>@" (mock.c puts one into each chunk), `delay` from a chunk's stamp to here.
 * A stream without its format's closing mark is `incomplete`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- samples and their quantiles ---- */

typedef struct {
  double *values;
  size_t n, cap;
} samples;

static void add(samples *s, double value) {
  if (s->n == s->cap) s->values = realloc(s->values, sizeof(double) * (s->cap = s->cap ? s->cap * 2 : 4096));
  s->values[s->n++] = value;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double quantile(const samples *s, double q) {
  return s->n ? s->values[(size_t)((s->n - 1) * q)] : 0;
}

static void print_samples(const char *name, samples *s) {
  qsort(s->values, s->n, sizeof(double), ascending);
  printf(",\"%s\":{\"n\":%zu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f}", name, s->n, quantile(s, .5), quantile(s, .9),
         quantile(s, .99));
}

/* ---- the run ---- */

enum state { IDLE, CONNECTING, SENDING, HEAD, BODY };
enum chunk_state { SIZE, DATA, DATA_END, TRAILER };

typedef struct conn {
  int fd, reused;
  enum state state;
  size_t sent;
  int64_t sent_at, first_at;
  char head[16384];
  size_t head_len;
  int code, chunked, to_close, hangs_up;
  long left; /* of a body with Content-Length */
  enum chunk_state chunk;
  long chunk_left, line_len;
  int in_extension;
  int in_stamp, digits; /* the stamp scanner's state lasts from read to read */
  uint64_t stamp;
  int stamps, closed_properly, told_error;
  char seam[32]; /* the last bytes seen, before the first of the next read: a mark may lie across */
  size_t seam_len;
  struct conn *next_idle;
} conn;

static int ep, streams;
static struct sockaddr_in target;
static char *request;
static size_t request_len;
static long wanted = 1000, started, finished, ok, failed, incomplete, stamps, bytes, opened;
static double rate;
static int64_t stop_at = INT64_MAX;
static samples latency, ttft, delay;
static conn *idle;
static char first_error[400];

static int dial(conn *c) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->reused = 0;
  opened++;
  if (connect(c->fd, (void *)&target, sizeof target) && errno != EINPROGRESS) {
    close(c->fd);
    c->fd = -1;
    return -1;
  }
  struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {.ptr = c}};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  return 0;
}

static void begin(conn *c);

static void done(conn *c, int whole) {
  int64_t now = now_ns();
  int keep = whole && !c->hangs_up && !c->to_close;
  finished++;
  if (whole && c->code == 200 && !c->told_error) {
    ok++;
    add(&latency, (now - c->sent_at) / 1e3);
    if (streams && !c->closed_properly) incomplete++;
  } else {
    failed++;
    if (!first_error[0]) snprintf(first_error, sizeof first_error, "code %d: %.300s", c->code, c->head);
  }
  if (!keep && c->fd >= 0) {
    close(c->fd);
    c->fd = -1;
  }
  c->state = IDLE;
  if (now >= stop_at && wanted > started) wanted = started;
  if (rate > 0) {
    c->next_idle = idle;
    idle = c;
  } else if (started < wanted)
    begin(c);
}

/* A kept connection that the server closed just now: the request goes out once more, on a new one. */
static void redial(conn *c) {
  close(c->fd);
  c->sent = 0;
  c->state = CONNECTING;
  if (dial(c)) done(c, 0);
}

static void send_rest(conn *c) {
  while (c->sent < request_len) {
    if (c->sent == 0) c->sent_at = now_ns();
    ssize_t k = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (k < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (k < 0) {
      if (c->reused && c->sent == 0) redial(c);
      else done(c, 0);
      return;
    }
    c->sent += k;
  }
  c->state = HEAD;
}

static void begin(conn *c) {
  int fd = c->fd, reused = c->reused;
  memset(c, 0, sizeof *c);
  c->fd = fd;
  c->reused = reused;
  started++;
  if (fd < 0) {
    c->state = CONNECTING;
    if (dial(c)) done(c, 0);
    return;
  }
  c->state = SENDING;
  send_rest(c);
}

static conn *new_conn(void) {
  conn *c = calloc(1, sizeof *c);
  c->fd = -1;
  return c;
}

/* ---- answers ---- */

static void scan_stamps(conn *c, const char *p, size_t n, int64_t now) {
  const char *end = p + n;
  while (p < end) {
    if (!c->in_stamp) {
      p = memchr(p, '@', end - p);
      if (!p) return;
      p++;
      c->in_stamp = 1;
      c->digits = 0;
      c->stamp = 0;
    } else if (*p >= '0' && *p <= '9') {
      c->stamp = c->stamp * 10 + (*p++ - '0');
      c->digits++;
    } else {
      c->in_stamp = 0;
      if (*p != '@' || c->digits < 9) continue;
      p++;
      if (c->stamps++ == 0) add(&ttft, (now - c->sent_at) / 1e3);
      add(&delay, (now - (int64_t)c->stamp) / 1e3);
      stamps++;
    }
  }
}

static int holds(const char *p, size_t n, const char *mark) { return memmem(p, n, mark, strlen(mark)) != NULL; }

static void look_for_marks(conn *c, const char *p, size_t n) {
  if (holds(p, n, "[DONE]") || holds(p, n, "message_stop")) c->closed_properly = 1;
  if (holds(p, n, "event: error") || holds(p, n, "\"error\":{")) c->told_error = 1;
}

static void take_body(conn *c, const char *p, size_t n, int64_t now) {
  const size_t half = sizeof c->seam / 2;
  bytes += n;
  scan_stamps(c, p, n, now);
  if (!streams) return;
  look_for_marks(c, p, n);
  size_t first = n < half ? n : half;
  memcpy(c->seam + c->seam_len, p, first);
  look_for_marks(c, c->seam, c->seam_len + first);
  size_t last = n < half ? c->seam_len + n : n;
  const char *from = n < half ? c->seam : p;
  c->seam_len = last < half ? last : half;
  memmove(c->seam, from + last - c->seam_len, c->seam_len);
}

static int hex(char ch) {
  if (ch >= '0' && ch <= '9') return ch - '0';
  ch |= 32;
  return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* 1: the body is whole */
static int take_chunked(conn *c, const char *p, size_t n, int64_t now) {
  while (n) {
    if (c->chunk == DATA) {
      size_t k = (long)n > c->chunk_left ? (size_t)c->chunk_left : n;
      take_body(c, p, k, now);
      p += k;
      n -= k;
      c->chunk_left -= k;
      if (!c->chunk_left) c->chunk = DATA_END;
      continue;
    }
    char ch = *p++;
    n--;
    if (ch == '\n') {
      if (c->chunk == TRAILER && c->line_len == 0) return 1;
      if (c->chunk == SIZE) c->chunk = c->chunk_left ? DATA : TRAILER;
      else if (c->chunk == DATA_END) c->chunk = SIZE;
      c->line_len = c->in_extension = 0;
    } else if (ch != '\r') {
      c->line_len++;
      if (ch == ';') c->in_extension = 1;
      if (c->chunk == SIZE && !c->in_extension && hex(ch) >= 0) c->chunk_left = c->chunk_left * 16 + hex(ch);
    }
  }
  return 0;
}

static int take(conn *c, const char *p, size_t n, int64_t now) {
  if (c->chunked) return take_chunked(c, p, n, now);
  size_t k = !c->to_close && (long)n > c->left ? (size_t)c->left : n;
  take_body(c, p, k, now);
  c->left -= k;
  return !c->to_close && c->left == 0;
}

/* How many bytes of p belong to the head; all of them while it is not whole, -1 when it is too long. */
static ssize_t take_head(conn *c, const char *p, size_t n) {
  size_t before = c->head_len, room = sizeof c->head - 1 - before, k = n < room ? n : room;
  memcpy(c->head + before, p, k);
  c->head_len += k;
  c->head[c->head_len] = 0;
  char *end = strstr(c->head, "\r\n\r\n"), *value;
  if (!end) return k < n ? -1 : (ssize_t)n;
  end[2] = 0;
  c->code = atoi(c->head + 9);
  if ((value = strcasestr(c->head, "\r\ncontent-length:"))) c->left = atol(value + 17);
  else if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->chunked = 1;
  else c->to_close = 1;
  c->hangs_up = strcasestr(c->head, "\r\nconnection: close") != NULL;
  c->reused = 1;
  c->state = BODY;
  return end + 4 - c->head - before;
}

static void closed(conn *c) {
  if (c->state == IDLE) {
    close(c->fd);
    c->fd = -1;
  } else if (c->state == BODY && c->to_close) done(c, 1);
  else if (c->state <= HEAD && c->reused && c->head_len == 0) redial(c);
  else done(c, 0);
}

static void readable(conn *c) {
  static char buffer[262144];
  while (c->fd >= 0) {
    ssize_t k = recv(c->fd, buffer, sizeof buffer, 0);
    if (k < 0 && errno == EAGAIN) return;
    if (k <= 0) {
      closed(c);
      return;
    }
    int64_t now = now_ns();
    ssize_t head = 0;
    if (c->state == SENDING) c->state = HEAD;
    if (c->state == HEAD) {
      head = take_head(c, buffer, k);
      if (head < 0) {
        done(c, 0);
        return;
      }
      if (c->state == HEAD) continue;
      if (!c->chunked && !c->to_close && c->left == 0) {
        done(c, 1);
        continue;
      }
    }
    if (c->state == BODY && k > head && take(c, buffer + head, k - head, now)) done(c, 1);
  }
}

static void writable(conn *c) {
  if (c->state == CONNECTING) {
    int error = 0;
    socklen_t n = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) {
      done(c, 0);
      return;
    }
    c->state = SENDING;
  }
  if (c->state == SENDING) send_rest(c);
}

/* ---- arguments and the loop ---- */

static char *read_file(const char *name, size_t *n) {
  FILE *f = fopen(name, "rb");
  if (!f) {
    perror(name);
    exit(2);
  }
  fseek(f, 0, SEEK_END);
  *n = ftell(f);
  rewind(f);
  char *bytes = malloc(*n + 1);
  if (fread(bytes, 1, *n, f) != *n) exit(2);
  fclose(f);
  return bytes;
}

int main(int argc, char **argv) {
  int port = 0, conc = 1;
  const char *path = "/", *file = NULL;
  char headers[8192] = "";
  double timeout = 60, ramp = 0, duration = 0;
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    if (!strcmp(name, "--stream")) {
      streams = 1;
      continue;
    }
    const char *value = i + 1 < argc ? argv[++i] : "";
    if (!strcmp(name, "--port")) port = atoi(value);
    else if (!strcmp(name, "--path")) path = value;
    else if (!strcmp(name, "--body")) file = value;
    else if (!strcmp(name, "--header")) strcat(strcat(headers, value), "\r\n");
    else if (!strcmp(name, "--conc")) conc = atoi(value);
    else if (!strcmp(name, "--n")) wanted = atol(value);
    else if (!strcmp(name, "--rate")) rate = atof(value);
    else if (!strcmp(name, "--ramp")) ramp = atof(value);
    else if (!strcmp(name, "--timeout")) timeout = atof(value);
    else if (!strcmp(name, "--duration")) duration = atof(value);
    else {
      fprintf(stderr, "unknown option %s\n", name);
      return 2;
    }
  }
  if (!file) return 2;
  if (duration > 0) wanted = 100000000;
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1000);
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  size_t body_len;
  char *body = read_file(file, &body_len);
  request = malloc(body_len + 16384);
  request_len = sprintf(request,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: */*\r\n"
                        "User-Agent: OpenAI/JS 4.77.0\r\n%sContent-Length: %zu\r\n\r\n",
                        path, port, headers, body_len);
  memcpy(request + request_len, body, body_len);
  request_len += body_len;
  target.sin_family = AF_INET;
  target.sin_port = htons(port);
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  ep = epoll_create1(0);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event e = {EPOLLIN, {.ptr = NULL}}, events[512];
  epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
  int64_t start = now_ns(), end = start + (int64_t)(timeout * 1e9), armed = 0;
  if (duration > 0) stop_at = start + (int64_t)(duration * 1e9);
  if (conc > wanted) conc = wanted;
  /* `due`: how many of the timed beginnings (requests at a rate, connections of a ramp) have been made, and their distance */
  long due = 0, timed = rate > 0 ? wanted : ramp > 0 ? conc : 0;
  double step = rate > 0 ? 1e9 / rate : ramp > 0 ? ramp * 1e6 / conc : 0;
  if (!timed)
    for (int i = 0; i < conc; i++) begin(new_conn());

  while (finished < wanted && now_ns() < end) {
    for (; due < timed && start + (int64_t)(due * step) <= now_ns(); due++) {
      conn *c = rate > 0 && idle ? idle : new_conn();
      if (c == idle) idle = c->next_idle;
      begin(c);
    }
    int64_t next = due < timed ? start + (int64_t)(due * step) : end;
    if (next != armed) {
      struct itimerspec when = {{0, 0}, {next / 1000000000LL, next % 1000000000LL}};
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
      armed = next;
    }
    int n = epoll_wait(ep, events, 512, -1);
    for (int i = 0; i < n; i++) {
      conn *c = events[i].data.ptr;
      uint64_t expirations;
      if (!c) {
        if (read(timer, &expirations, sizeof expirations) > 0) armed = 0;
        continue;
      }
      if (c->fd >= 0 && (events[i].events & EPOLLOUT)) writable(c);
      if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) readable(c);
    }
  }
  double elapsed = (now_ns() - start) / 1e9;
  if (finished < wanted && started > finished) failed += started - finished;
  printf("{\"ok\":%ld,\"failed\":%ld,\"incomplete\":%ld,\"seconds\":%.3f,\"stamps\":%ld,\"bytes\":%ld,"
         "\"connections\":%ld",
         ok, failed, incomplete, elapsed, stamps, bytes, opened);
  print_samples("latency", &latency);
  print_samples("ttft", &ttft);
  print_samples("delay", &delay);
  printf(",\"firstError\":\"");
  for (char *p = first_error; *p; p++)
    if ((unsigned char)*p >= 32 && *p != '"' && *p != '\\') putchar(*p);
  printf("\"}\n");
  return 0;
}

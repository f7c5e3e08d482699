/*
 * A fast mock upstream: one thread, epoll, HTTP/1.1 keep-alive. So little of it shows in the figures of what is measured before it.
 *
 *   cc -O2 -o mock mock.c && ./mock --port 0        prints "mock on 127.0.0.1:PORT"
 *
 * Requests carry Content-Length. POST …/chat/completions answers as OpenAI Chat Completions, POST …/messages as Anthropic Messages, as JSON or as SSE.
 * A directive in the request's text chooses the answer; it passes through every gateway and conversion:
 *
 *   [[mock n=200 pace=5000 size=24]]
 *     n     chunks of a stream (200)
 *     pace  microseconds between chunks; 0: all at once (0)
 *     size  bytes of text in a chunk (24) or in a JSON answer (600)
 *
 * Each chunk's text begins with "@<CLOCK_MONOTONIC ns>@": a load generator on the same machine reads how long it was on its way.
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
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum format { CHAT, MESSAGES };

typedef struct conn {
  int fd;
  char *in;
  size_t in_len, in_cap;
  char *out;
  size_t out_len, out_at, out_cap;
  int writes_wait;
  enum format format;
  int streaming, chunks, sent, size, usage;
  int64_t pace_ns, due;
  int heap_at; /* -1: no chunk is due */
} conn;

static int ep;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- streams by the time of their next chunk: a binary heap ---- */

static conn **heap;
static int heap_len, heap_cap;

static void heap_swap(int a, int b) {
  conn *t = heap[a];
  heap[a] = heap[b];
  heap[b] = t;
  heap[a]->heap_at = a;
  heap[b]->heap_at = b;
}

static void heap_up(int i) {
  for (; i && heap[i]->due < heap[(i - 1) / 2]->due; i = (i - 1) / 2) heap_swap(i, (i - 1) / 2);
}

static void heap_down(int i) {
  for (;;) {
    int least = i, left = 2 * i + 1, right = left + 1;
    if (left < heap_len && heap[left]->due < heap[least]->due) least = left;
    if (right < heap_len && heap[right]->due < heap[least]->due) least = right;
    if (least == i) return;
    heap_swap(i, least);
    i = least;
  }
}

static void heap_push(conn *c) {
  if (heap_len == heap_cap) heap = realloc(heap, sizeof *heap * (heap_cap = heap_cap ? heap_cap * 2 : 64));
  heap[heap_len] = c;
  c->heap_at = heap_len;
  heap_up(heap_len++);
}

static void heap_remove(conn *c) {
  int i = c->heap_at;
  if (i < 0) return;
  heap_len--;
  if (i != heap_len) {
    heap[i] = heap[heap_len];
    heap[i]->heap_at = i;
    heap_up(i);
    heap_down(heap[i]->heap_at);
  }
  c->heap_at = -1;
}

/* ---- output ---- */

static void put(conn *c, const char *bytes, size_t n) {
  if (c->out_len + n > c->out_cap) c->out = realloc(c->out, c->out_cap = (c->out_len + n) * 2);
  memcpy(c->out + c->out_len, bytes, n);
  c->out_len += n;
}

static void put_chunk(conn *c, const char *bytes, size_t n) {
  char size[24];
  put(c, size, sprintf(size, "%zx\r\n", n));
  put(c, bytes, n);
  put(c, "\r\n", 2);
}

static void drop(conn *c) {
  heap_remove(c);
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c);
}

static void watch(conn *c, int writes) {
  if (c->writes_wait == writes) return;
  struct epoll_event e = {EPOLLIN | EPOLLRDHUP | (writes ? EPOLLOUT : 0), {.ptr = c}};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
  c->writes_wait = writes;
}

/* -1: the connection is gone */
static int flush(conn *c) {
  while (c->out_at < c->out_len) {
    ssize_t k = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
    if (k < 0 && errno == EAGAIN) {
      watch(c, 1);
      return 0;
    }
    if (k < 0) {
      drop(c);
      return -1;
    }
    c->out_at += k;
  }
  c->out_len = c->out_at = 0;
  watch(c, 0);
  return 0;
}

/* ---- answers ---- */

#define CHUNK                                                                                                          \
  "data: {\"id\":\"chatcmpl-mock0000000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":1763856000," \
  "\"model\":\"mock-model\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\",\"choices\":["
#define NO_FINISH "\"logprobs\":null,\"finish_reason\":null}]}\n\n"

static const char LOREM[] =
    "The quick brown fox jumps over the lazy dog while a gateway relays each token to its client as soon as it "
    "arrives and keeps count of what it costs so that nobody pays for more than was used and every stream ends where "
    "it should end without a byte lost or changed on the way between the two sides of the wire ";

static void fill(char *text, int n) {
  for (int i = 0; i < n; i++) text[i] = LOREM[i % (sizeof LOREM - 1)];
  text[n] = 0;
}

static void stream_head(conn *c) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                             "Cache-Control: no-cache\r\nx-request-id: req_mock\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const char chat[] =
      CHUNK "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}," NO_FINISH;
  static const char messages[] =
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_mock01\",\"type\":\"message\","
      "\"role\":\"assistant\",\"model\":\"mock-model\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
      "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
      "\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n";
  put(c, head, sizeof head - 1);
  if (c->format == CHAT) put_chunk(c, chat, sizeof chat - 1);
  else put_chunk(c, messages, sizeof messages - 1);
}

static void stream_chunk(conn *c) {
  char text[4097], frame[6144];
  fill(text, c->size ? c->size : 24);
  unsigned long long at = now_ns();
  int n = c->format == CHAT
              ? sprintf(frame, CHUNK "{\"index\":0,\"delta\":{\"content\":\"@%llu@%s\"}," NO_FINISH, at, text)
              : sprintf(frame,
                        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                        "\"delta\":{\"type\":\"text_delta\",\"text\":\"@%llu@%s\"}}\n\n",
                        at, text);
  put_chunk(c, frame, n);
  c->sent++;
}

static void stream_tail(conn *c) {
  char frame[2048];
  if (c->format == CHAT) {
    static const char finish[] =
        CHUNK "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";
    put_chunk(c, finish, sizeof finish - 1);
    if (c->usage)
      put_chunk(c, frame,
                sprintf(frame,
                        CHUNK "],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":%d,\"total_tokens\":%d,"
                              "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
                              "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}}\n\n",
                        c->chunks, c->chunks + 25));
    put_chunk(c, "data: [DONE]\n\n", 14);
  } else
    put_chunk(c, frame,
              sprintf(frame,
                      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                      "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                      "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n"
                      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                      c->chunks));
  put(c, "0\r\n\r\n", 5);
  c->streaming = 0;
}

static void json_answer(conn *c) {
  char text[4097], body[8192], head[512];
  fill(text, c->size ? c->size : 600);
  unsigned long long at = now_ns();
  int n = c->format == CHAT
              ? sprintf(body,
                        "{\n  \"id\": \"chatcmpl-mock0000000000000000000001\",\n  \"object\": \"chat.completion\",\n"
                        "  \"created\": 1763856000,\n  \"model\": \"mock-model\",\n  \"choices\": [\n    {\n"
                        "      \"index\": 0,\n      \"message\": {\n        \"role\": \"assistant\",\n"
                        "        \"content\": \"@%llu@%s\",\n        \"refusal\": null,\n        \"annotations\": []\n"
                        "      },\n      \"logprobs\": null,\n      \"finish_reason\": \"stop\"\n    }\n  ],\n"
                        "  \"usage\": {\n    \"prompt_tokens\": 25,\n    \"completion_tokens\": 120,\n"
                        "    \"total_tokens\": 145,\n    \"prompt_tokens_details\": {\n      \"cached_tokens\": 0\n"
                        "    },\n    \"completion_tokens_details\": {\n      \"reasoning_tokens\": 0\n    }\n  },\n"
                        "  \"service_tier\": \"default\",\n  \"system_fingerprint\": \"fp_mock\"\n}\n",
                        at, text)
              : sprintf(body,
                        "{\"id\":\"msg_mock01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock-model\","
                        "\"content\":[{\"type\":\"text\",\"text\":\"@%llu@%s\"}],\"stop_reason\":\"end_turn\","
                        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":0,"
                        "\"cache_read_input_tokens\":0,\"output_tokens\":120}}",
                        at, text);
  put(c, head,
      sprintf(head,
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_mock\r\n"
              "openai-processing-ms: 1\r\nContent-Length: %d\r\n\r\n",
              n));
  put(c, body, n);
}

/* ---- requests ---- */

static long option(const char *text, size_t n, const char *name, long fallback) {
  size_t len = strlen(name);
  for (size_t i = 0; i + len + 1 < n; i++)
    if (text[i] == ' ' && !memcmp(text + i + 1, name, len) && text[i + 1 + len] == '=')
      return strtol(text + i + 2 + len, NULL, 10);
  return fallback;
}

static int is_true(const char *body, size_t n, const char *quoted) {
  size_t len = strlen(quoted);
  const char *p = body, *end = body + n;
  while ((p = memmem(p, end - p, quoted, len))) {
    for (p += len; p < end && (*p == ' ' || *p == ':'); p++) {}
    if (end - p >= 4 && !memcmp(p, "true", 4)) return 1;
  }
  return 0;
}

static int answer(conn *c, const char *path, size_t path_len, const char *body, size_t n) {
  c->format = memmem(path, path_len, "/messages", 9) ? MESSAGES : CHAT;
  c->usage = is_true(body, n, "\"include_usage\"");
  c->chunks = 200;
  c->pace_ns = c->size = 0;
  const char *directive = memmem(body, n, "[[mock", 6);
  if (directive) {
    const char *end = memmem(directive, body + n - directive, "]]", 2);
    size_t len = end ? (size_t)(end - directive) : 0;
    c->chunks = option(directive, len, "n", 200);
    c->pace_ns = option(directive, len, "pace", 0) * 1000;
    c->size = option(directive, len, "size", 0);
    if (c->size > 4000) c->size = 4000;
  }
  if (!is_true(body, n, "\"stream\"")) {
    json_answer(c);
    return flush(c);
  }
  c->streaming = 1;
  c->sent = 0;
  stream_head(c);
  if (c->pace_ns <= 0) {
    while (c->sent < c->chunks) stream_chunk(c);
    stream_tail(c);
    return flush(c);
  }
  stream_chunk(c);
  c->due = now_ns() + c->pace_ns;
  heap_push(c);
  return flush(c);
}

static void next_chunk(conn *c) {
  if (c->sent < c->chunks) stream_chunk(c);
  if (c->sent >= c->chunks) stream_tail(c);
  else {
    int64_t now = now_ns();
    c->due += c->pace_ns;
    if (c->due < now) c->due = now;
    heap_push(c);
  }
  flush(c);
}

static const char *header(const char *head, size_t n, const char *name) {
  size_t len = strlen(name);
  for (const char *p = head, *next; (next = memchr(p, '\n', head + n - p)); p = next + 1)
    if ((size_t)(next - p) > len + 1 && p[len] == ':' && !strncasecmp(p, name, len)) return p + len + 1;
  return NULL;
}

static void take_requests(conn *c) {
  while (!c->streaming && c->in_len) { /* one answer at a time */
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return;
    size_t head = end + 4 - c->in, used = head, n = 0;
    const char *length = header(c->in, head, "content-length");
    if (length) {
      n = strtoul(length, NULL, 10);
      used += n;
      if (c->in_len < used) return;
    }
    char *path = memchr(c->in, ' ', head), *path_end = path ? memchr(path + 1, ' ', head - (path + 1 - c->in)) : NULL;
    if (!path_end) {
      drop(c);
      return;
    }
    if (answer(c, path, path_end - path, c->in + head, n) < 0) return;
    memmove(c->in, c->in + used, c->in_len - used);
    c->in_len -= used;
  }
}

static void readable(conn *c) {
  for (;;) {
    if (c->in_cap - c->in_len < 65536) c->in = realloc(c->in, c->in_cap = (c->in_cap + 65536) * 2);
    ssize_t k = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (k < 0 && errno == EAGAIN) break;
    if (k <= 0) {
      drop(c);
      return;
    }
    c->in_len += k;
  }
  take_requests(c);
}

static void accept_all(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->heap_at = -1;
    struct epoll_event e = {EPOLLIN | EPOLLRDHUP, {.ptr = c}};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  }
}

int main(int argc, char **argv) {
  int port = 0, one = 1;
  for (int i = 1; i < argc - 1; i++)
    if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1000);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t at_len = sizeof at;
  if (bind(listener, (void *)&at, at_len) || listen(listener, 4096) ||
      getsockname(listener, (void *)&at, &at_len)) {
    perror("listen");
    return 1;
  }
  ep = epoll_create1(0);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event e = {EPOLLIN, {.ptr = &listener}};
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  e.data.ptr = &timer;
  epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
  printf("mock on 127.0.0.1:%d\n", ntohs(at.sin_port));
  fflush(stdout);

  int64_t armed = 0;
  struct epoll_event events[256];
  for (;;) {
    int64_t due = heap_len ? heap[0]->due : 0;
    if (due != armed) {
      struct itimerspec when = {{0, 0}, {due / 1000000000LL, due % 1000000000LL}};
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
      armed = due;
    }
    int n = epoll_wait(ep, events, 256, -1);
    for (int i = 0; i < n; i++) {
      void *who = events[i].data.ptr;
      uint64_t expirations;
      if (who == &listener) accept_all(listener);
      else if (who == &timer) {
        if (read(timer, &expirations, sizeof expirations) > 0) armed = 0;
      } else {
        conn *c = who;
        if ((events[i].events & EPOLLOUT) && flush(c) < 0) continue;
        if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable(c);
      }
    }
    /* only now: the events above may speak of connections that sending a chunk would drop */
    for (int64_t now = now_ns(); heap_len && heap[0]->due <= now;) {
      conn *c = heap[0];
      heap_remove(c);
      next_chunk(c);
    }
  }
}

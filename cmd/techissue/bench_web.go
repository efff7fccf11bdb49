package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/spf13/cobra"

	"techissue/newsletter"
)

// webOptions are the flags of bench web.
type webOptions struct {
	Readers     int64
	Connections int
	Time        time.Duration
	DB          string
	Sending     bool
}

// webResult is what a run tells. Ratios compare loads of the same run.
type webResult struct {
	PageBytes int       `json:"page_bytes"` // compressed
	Loads     []webLoad `json:"loads"`
}

func (r webResult) tell(w io.Writer) {
	fmt.Fprintf(w, "article page: %d bytes compressed\n", r.PageBytes)
	for _, l := range r.Loads {
		fmt.Fprintf(w, "%-44s %8.0f/s  p50 %6.2f ms  p99 %6.2f ms", l.Name, l.PerSecond, l.P50, l.P99)
		if l.Ratio > 0 {
			fmt.Fprintf(w, "  %5.1f %% of %s", 100*l.Ratio, l.Of)
		}
		if l.Refused > 0 {
			fmt.Fprintf(w, "  (%d refused)", l.Refused)
		}
		fmt.Fprintln(w)
	}
}

func (r *webResult) add(l webLoad, of *webLoad) {
	if of != nil {
		l.Of, l.Ratio = of.Name, l.PerSecond/of.PerSecond
	}
	r.Loads = append(r.Loads, l)
}

func (c *cli) benchWeb() *cobra.Command {
	var o webOptions
	cmd := &cobra.Command{
		Use: "web", Short: "Measure pages and sign-ups beside nginx and a bare echo on this machine", Args: cobra.NoArgs,
		Long: "Makes a house with made-up readers in a temporary folder and serves it by a process of its own. The article page comes from the cache, then rendered for each " +
			"request; Debian's nginx serves the same compressed bytes from disk (gzip_static), when it is installed. Sign-ups come from addresses and networks that differ, through " +
			"a trusted proxy, and are compared with a bare \"hello\" of echo. Everything shares this machine's cores, the load too: compare within one run.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := benchWeb(cmd.Context(), o)
			if err != nil {
				return err
			}
			return c.print(r, func() { r.tell(os.Stdout) })
		},
	}
	f := cmd.Flags()
	f.Int64Var(&o.Readers, "readers", 100_000, "made-up readers in the house")
	f.IntVar(&o.Connections, "connections", 32, "connections that ask at once")
	f.DurationVar(&o.Time, "time", 5*time.Second, "how long each load lasts")
	f.StringVar(&o.DB, "db", "", "postgres://… of an empty database, instead of SQLite")
	f.BoolVar(&o.Sending, "sending", false, "let an issue go out to the readers while sign-ups come")
	return cmd
}

// benchHello is echo without anything of ours.
func (c *cli) benchHello() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "hello", Short: "Serve a bare hello by echo, until standard input ends", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := echo.New()
			e.HideBanner, e.HidePort = true, true
			e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "hello") })
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				_ = e.Close()
			}()
			if err := e.Start(addr); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "listen here")
	return cmd
}

func benchWeb(ctx context.Context, o webOptions) (r webResult, err error) {
	sink, stopSink, err := startSink(ctx, 0)
	if err != nil {
		return r, err
	}
	defer stopSink()
	dir, err := os.MkdirTemp("", "techissue-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	a, number, err := benchHouse(ctx, benchOptions{Readers: o.Readers, Connections: 8, DB: o.DB, NoTracking: true}, dir, sink)
	if err != nil {
		return r, err
	}
	env := a.benchEnv(dir, sink)
	a.close()
	page := "/articles/" + url.PathEscape(newsletter.Slug(benchTitle))
	addr, stop, err := benchServer(ctx, env, "serve")
	if err != nil {
		return r, err
	}
	defer stop()
	if err := benchPages(ctx, o, dir, addr, page, &r); err != nil {
		return r, err
	}
	return r, benchSignups(ctx, o, env, addr, number, &r)
}

// benchPages asks for one article: from the cache, rendered each time, and as a file from nginx.
func benchPages(ctx context.Context, o webOptions, dir, addr, page string, r *webResult) error {
	packed, err := fetchPacked("http://" + addr + page)
	if err != nil {
		return err
	}
	r.PageBytes = len(packed)
	var nginx *webLoad
	if at, stop, err := startNginx(ctx, dir, packed); err == nil {
		l, err := load{addr: at, request: getter(at, "/page.html", ""), want: "200"}.run(ctx, "nginx, gzip_static", o)
		stop()
		if err != nil {
			return err
		}
		nginx = &l
		r.add(l, nil)
	} else {
		fmt.Fprintf(os.Stderr, "nginx is left out: %v\n", err)
	}
	l, err := load{addr: addr, request: getter(addr, page, ""), want: "200"}.run(ctx, "article page from the cache", o)
	if err != nil {
		return err
	}
	r.add(l, nginx)
	if l, err = (load{addr: addr, request: getter(addr, page, "?n="), want: "200"}).run(ctx, "article page rendered for each", o); err != nil {
		return err
	}
	r.add(l, nginx)
	return nil
}

// getter asks for a page; with a query each request is another.
func getter(addr, path, query string) func(dst []byte, n int64) []byte {
	return func(dst []byte, n int64) []byte {
		dst = append(append(dst, "GET "...), path...)
		if query != "" {
			dst = strconv.AppendInt(append(dst, query...), n, 10)
		}
		return append(append(append(dst, " HTTP/1.1\r\nHost: "...), addr...), "\r\nAccept-Encoding: gzip\r\nUser-Agent: Mozilla/5.0 (bench)\r\n\r\n"...)
	}
}

func fetchPacked(address string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "gzip" {
		return nil, fmt.Errorf("%s answered %s, %q", address, res.Status, res.Header.Get("Content-Encoding"))
	}
	return io.ReadAll(res.Body)
}

var startedField = regexp.MustCompile(`name="started" value="([^"]+)"`)

// benchSignups lets strangers sign up, each from another network through a proxy that is trusted; no limit is switched off.
func benchSignups(ctx context.Context, o webOptions, env []string, addr string, number int, r *webResult) error {
	hello, stop, err := benchServer(ctx, env, "bench", "hello")
	if err != nil {
		return err
	}
	bare, err := load{addr: hello, request: getter(hello, "/", ""), want: "200"}.run(ctx, "bare echo, hello", o)
	stop()
	if err != nil {
		return err
	}
	r.add(bare, nil)
	res, err := http.Get("http://" + addr + "/subscribe")
	if err != nil {
		return err
	}
	form, err := io.ReadAll(res.Body)
	res.Body.Close()
	m := startedField.FindSubmatch(form)
	if err != nil || m == nil {
		return errors.Join(errors.New("the form has no moment"), err)
	}
	select { // a person needs a second
	case <-time.After(1100 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	name := "sign-up, durable, confirmation queued"
	if o.Sending {
		if err := benchCommand(ctx, env, "issue", "send", strconv.Itoa(number), "--yes"); err != nil {
			return err
		}
		name += ", issue going out"
	}
	l, err := load{addr: addr, request: signer(addr, string(m[1])), want: "303"}.run(ctx, name, o)
	if err != nil {
		return err
	}
	r.add(l, &bare)
	return nil
}

func signer(addr, started string) func(dst []byte, n int64) []byte {
	run := time.Now().UnixNano() // addresses of another run are known already
	return func(dst []byte, n int64) []byte {
		body := fmt.Sprintf("email=b%d.%d%%40d%d.example&name=%%EB%%8F%%85%%EC%%9E%%90&consent=on&age14=on&website=&started=%s", run, n, n%9973, url.QueryEscape(started))
		return fmt.Appendf(dst, "POST /subscribe HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: %d.%d.%d.%d\r\nUser-Agent: Mozilla/5.0 (bench)\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
			addr, 11+n>>16%180, n>>8&255, n&255, 1+n>>24, len(body), body)
	}
}

// benchEnv is the house's settings for a process that serves it.
func (a *app) benchEnv(dir, sink string) []string {
	env := []string{
		prefix + "DATA=" + dir, prefix + "SMTP_URL=smtp+insecure://" + sink, prefix + "SMTP_CONNECTIONS=8", prefix + "FROM=테크잇슈 <letter@techissue.example>",
		prefix + "LIST_ID=letter.techissue.example", prefix + "LOG=json", prefix + "LOG_LEVEL=warn", prefix + "INTERNAL_ADDR=", prefix + "TRUSTED_PROXIES=127.0.0.1/32",
	}
	if a.cfg.postgres() {
		env = append(env, prefix+"DB="+a.cfg.DB, prefix+"SECRET="+a.cfg.Secret)
	}
	return env
}

func benchCommand(ctx context.Context, env []string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"--env-file", os.DevNull}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// benchServer runs this program as a server on a free port and waits until it answers.
func benchServer(ctx context.Context, env []string, args ...string) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	if addr, err = unusedAddr(); err != nil {
		return "", nil, err
	}
	args = append([]string{"--env-file", os.DevNull}, args...)
	if args[2] == "bench" {
		args = append(args, "--addr", addr)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(append(os.Environ(), env...), prefix+"ADDR="+addr, prefix+"BASE_URL=http://"+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	return addr, func() {
		in.Close()
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}, errors.Join(cmd.Start(), answers(ctx, addr))
}

func unusedAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// answers waits until somebody listens.
func answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w", addr, ctx.Err())
		case <-tick.C:
		}
	}
}

const nginxConf = `daemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; gzip_static on; default_type text/html; open_file_cache max=100;
  client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
  server { listen %[2]s; root %[1]s/www; }
}
`

// startNginx serves the compressed page from disk.
func startNginx(ctx context.Context, dir string, packed []byte) (addr string, stop func(), err error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !fileThere(program) {
			return "", nil, err
		}
	}
	if addr, err = unusedAddr(); err != nil {
		return "", nil, err
	}
	www := filepath.Join(dir, "www")
	err = errors.Join(
		os.Chmod(dir, 0o755), // its workers are of another user
		os.MkdirAll(www, 0o755),
		os.WriteFile(filepath.Join(www, "page.html"), bytes.Repeat([]byte(" "), 16), 0o644),
		os.WriteFile(filepath.Join(www, "page.html.gz"), packed, 0o644),
		os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxConf, dir, addr), 0o644),
	)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = os.Stderr
	return addr, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}, errors.Join(cmd.Start(), answers(ctx, addr))
}

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

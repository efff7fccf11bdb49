package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"techissue/newsletter"
)

// benchResult is what a run tells.
type benchResult struct {
	Letters       int64        `json:"letters"`
	Seconds       float64      `json:"seconds"`
	PerSecond     float64      `json:"letters_per_second"`
	CPUPerLetter  float64      `json:"cpu_us_per_letter"` // of this process, user and system
	FirstLetter   float64      `json:"first_letter_seconds,omitempty"`
	LetterBytes   int          `json:"letter_bytes"`
	PeakAnonymous int64        `json:"peak_rss_anon_kb"`
	PeakRSS       int64        `json:"peak_rss_kb"`
	RoundTrip     float64      `json:"of_two_round_trips,omitempty"` // share of connections / (2 × delay)
	Baseline      []benchLoop  `json:"baseline,omitempty"`
	Options       benchOptions `json:"options"`
}

type benchLoop struct {
	Name      string  `json:"name"`
	Letters   int64   `json:"letters"`
	PerSecond float64 `json:"letters_per_second"`
	CPU       float64 `json:"cpu_us_per_letter"`
	Ratio     float64 `json:"ours_by_it"`
}

func (r benchResult) tell(w io.Writer) {
	fmt.Fprintf(w, "%d letters of %d bytes in %.2f s: %.0f/s, %.0f us CPU a letter, first after %.2f s\n", r.Letters, r.LetterBytes, r.Seconds, r.PerSecond, r.CPUPerLetter, r.FirstLetter)
	fmt.Fprintf(w, "peak memory: %.1f MB anonymous, %.1f MB RSS\n", float64(r.PeakAnonymous)/1024, float64(r.PeakRSS)/1024)
	if r.RoundTrip > 0 {
		fmt.Fprintf(w, "%.1f %% of connections / (2 x delay)\n", 100*r.RoundTrip)
	}
	for _, b := range r.Baseline {
		fmt.Fprintf(w, "%-28s %7.0f/s, %4.0f us CPU: ours is %.2f x\n", b.Name, b.PerSecond, b.CPU, b.Ratio)
	}
}

func benchSend(ctx context.Context, o benchOptions) (r benchResult, err error) {
	r.Options = o
	addr := o.To
	if addr == "" {
		sink, stop, err := startSink(ctx, o.Delay)
		if err != nil {
			return r, err
		}
		defer stop()
		addr = sink
	}
	dir, err := os.MkdirTemp("", "techissue-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	a, number, err := benchHouse(ctx, o, dir, addr)
	if err != nil {
		return r, err
	}
	defer a.close()
	if r.LetterBytes, err = a.benchSize(ctx, number); err != nil {
		return r, err
	}
	profiled, err := startProfile(o)
	if err != nil {
		return r, err
	}
	if o.NoStore {
		err = a.benchBare(ctx, o, number, &r)
	} else {
		err = a.benchQueue(ctx, o, number, &r)
	}
	profiled()
	if err != nil {
		return r, err
	}
	r.PerSecond = float64(r.Letters) / r.Seconds
	if o.Delay > 0 {
		r.RoundTrip = r.PerSecond / (float64(o.Connections) / (2 * o.Delay.Seconds()))
	}
	if o.Baseline {
		return r, a.benchBaseline(ctx, o, number, addr, &r)
	}
	return r, nil
}

// benchHouse makes the readers and the issue.
func benchHouse(ctx context.Context, o benchOptions, dir, addr string) (_ *app, number int, err error) {
	env := []string{
		prefix + "ADDR=127.0.0.1:0", prefix + "BASE_URL=http://127.0.0.1:8080", prefix + "DATA=" + dir, prefix + "SMTP_URL=smtp+insecure://" + addr,
		prefix + "SMTP_CONNECTIONS=" + strconv.Itoa(o.Connections), prefix + "FROM=테크잇슈 <letter@techissue.example>", prefix + "LIST_ID=letter.techissue.example",
		prefix + "BOUNCE_DOMAIN=bounce.techissue.example", prefix + "LOG_LEVEL=warn", prefix + "LEGAL_NAME=테크잇슈", prefix + "LEGAL_REPRESENTATIVE=이재훈",
		prefix + "LEGAL_ADDRESS=서울시 보기구 보기로 1", prefix + "LEGAL_PHONE=02-000-0000", prefix + "LEGAL_EMAIL=hello@techissue.example",
	}
	if o.DB != "" {
		env = append(env, prefix+"DB="+o.DB, prefix+"SECRET="+newsletter.Random(40))
	}
	if o.DKIM != "" {
		key := filepath.Join(dir, "dkim.pem")
		if err := writeDKIMKey(key, o.DKIM); err != nil {
			return nil, 0, err
		}
		env = append(env, prefix+"DKIM_DOMAIN=techissue.example", prefix+"DKIM_SELECTOR=s1", prefix+"DKIM_KEY_FILE="+key)
	}
	cfg, _, err := loadConfig(env, filepath.Join(dir, ".env"), nil)
	if err != nil {
		return nil, 0, err
	}
	a, err := openApp(ctx, cfg, newLog(cfg), !cfg.postgres())
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err = importReaders(ctx, env, dir, o.Readers); err != nil {
		return a, 0, err
	}
	number, err = a.benchIssue(ctx, o)
	return a, number, err
}

// importReaders lets the readers be imported as an operator would, by a process of its own: what that takes is not the sending's.
func importReaders(ctx context.Context, env []string, dir string, n int64) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "bench.csv"))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, &benchReaders{left: n})
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "--env-file", filepath.Join(dir, ".env"), "subscribers", "import", file.Name(), "--consent-source", "made-up readers of a measurement")
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("readers: %w: %s", err, out)
	}
	return nil
}

// benchReaders writes a CSV as it is read: a third of the readers to each of three domains, the rest to many.
type benchReaders struct {
	n, left int64
	rest    []byte
}

func (b *benchReaders) Read(p []byte) (int, error) {
	for len(b.rest) < len(p) && b.left > 0 {
		if b.n == 0 {
			b.rest = append(b.rest, "email,name\n"...)
		}
		b.n++
		b.left--
		domain := []string{"naver.example", "gmail.example", "daum.example", "d" + strconv.FormatInt(b.n%997, 10) + ".example"}[b.n%4]
		b.rest = fmt.Appendf(b.rest, "reader%d@%s,독자 %d\n", b.n, domain, b.n)
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[:copy(b.rest, b.rest[n:])]
	return n, nil
}

const benchSentence = "요즘 메일함을 열면 읽지 않은 편지가 쌓여 있습니다. 그런데도 아침마다 한 통은 꼭 열어 보게 되는데, 짧고 친절하기 때문입니다. 오늘은 그 까닭을 천천히 따라가 봅니다. "

// benchIssue is an ordinary issue: five links and an article, about 12 KB of Korean text.
const benchTitle = "아침마다 여는 한 통의 편지"

func (a *app) benchIssue(ctx context.Context, o benchOptions) (int, error) {
	var body strings.Builder
	for n := range 9 {
		fmt.Fprintf(&body, "## %d번째 이야기\n\n%s\n\n%s\n\nhttps://news.example.com/story/%d\n\n", n+1, strings.Repeat(benchSentence, 2), strings.Repeat(benchSentence, 2), n)
	}
	art, err := a.svc.CreateArticle(ctx, "bench", newsletter.Article{
		Title: benchTitle, Summary: "짧고 친절한 글의 힘", Body: body.String(), Status: newsletter.ArticlePublished, PublishedAt: now(),
	})
	if err != nil {
		return 0, err
	}
	i := newsletter.Issue{Tracking: !o.NoTracking, Uncertain: newsletter.ResendOnce, Content: newsletter.Content{
		Subject: "아침마다 여는 한 통의 편지, 그리고 이번 주 소식", Preheader: "짧고 친절한 글의 힘과 링크 다섯 개", Kind: newsletter.KindInfo,
		Intro: "{이름|독자}님, 안녕하세요. " + benchSentence, Articles: []string{art.Slug}, Outro: "다음 호에 만나요.",
	}}
	for n := range 5 {
		i.Links = append(i.Links, newsletter.RoundupLink{
			URL: fmt.Sprintf("https://news.example.com/link/%d", n), Title: fmt.Sprintf("이번 주의 소식 %d", n+1), Source: "보기일보", Summary: benchSentence,
		})
	}
	made, err := a.svc.CreateIssue(ctx, "bench", i)
	return made.Number, err
}

// benchQueue sends as serve does: the listener is up, results are on disk.
func (a *app) benchQueue(ctx context.Context, o benchOptions, number int, r *benchResult) error {
	a.newQueue(nil)
	parts := newParts(ctx)
	parts.run("mailer", a.runQueue)
	parts.run("views", a.keepViews)
	if err := a.listen(parts, nil); err != nil {
		parts.stop()
		return errors.Join(err, parts.wait())
	}
	before, began := cpuTime(), time.Now()
	err := a.benchWatch(ctx, parts.ctx, number, began, r)
	r.Seconds, r.CPUPerLetter = time.Since(began).Seconds(), (cpuTime()-before).Seconds()*1e6/float64(max(r.Letters, 1))
	parts.stop()
	return errors.Join(err, parts.wait())
}

// benchWatch sends and waits for the end. Counting a million letters each time would be part of what is measured, so it asks
// whether anything is left, as the queue itself does.
func (a *app) benchWatch(ctx, alive context.Context, number int, began time.Time, r *benchResult) error {
	if _, err := a.svc.SendIssue(ctx, "bench", number, 0); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-alive.Done():
			return alive.Err()
		case <-tick.C:
		}
		r.sample()
		if r.FirstLetter > 0 && n%10 != 0 {
			continue
		}
		if r.FirstLetter == 0 {
			letters, _, err := a.svc.Deliveries(ctx, number, newsletter.DeliveryFilter{State: newsletter.Sent, Limit: 1})
			if err != nil {
				return err
			}
			if len(letters) > 0 {
				r.FirstLetter = letters[0].DoneAt.Sub(began).Seconds()
			}
		}
		i, err := a.svc.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != newsletter.IssueSending && i.State != newsletter.IssuePreparing {
			p, err := a.svc.Progress(ctx, number)
			r.Letters = p.Counts[newsletter.Sent]
			if err == nil && r.Letters != i.Recipients {
				err = fmt.Errorf("issue is %s: %v", i.State, p.Counts)
			}
			return err
		}
	}
}

// sample looks at this process's memory.
func (r *benchResult) sample() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(status)) {
		var into *int64
		switch {
		case strings.HasPrefix(line, "RssAnon:"):
			into = &r.PeakAnonymous
		case strings.HasPrefix(line, "VmRSS:"):
			into = &r.PeakRSS
		default:
			continue
		}
		kb, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
		*into = max(*into, kb)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func startProfile(o benchOptions) (stop func(), err error) {
	if o.MemProfile != "" {
		runtime.MemProfileRate = 4 << 10
	}
	if o.CPUProfile != "" {
		f, err := os.Create(o.CPUProfile)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
	}
	return func() {
		pprof.StopCPUProfile()
		if o.MemProfile == "" {
			return
		}
		if f, err := os.Create(o.MemProfile); err == nil {
			_ = pprof.Lookup("allocs").WriteTo(f, 0)
			f.Close()
		}
	}, nil
}

// benchEdition and benchClaimed make letters of readers that no database knows.
func (a *app) benchEdition(ctx context.Context, number int) (newsletter.Edition, error) {
	_, snap, err := a.svc.Snapshot(ctx, number)
	return newsletter.Edition{Issue: 1, Number: 1, Snapshot: snap}, err
}

// benchSize is how large the issue's letter is on the wire.
func (a *app) benchSize(ctx context.Context, number int) (int, error) {
	e, err := a.benchEdition(ctx, number)
	if err != nil {
		return 0, err
	}
	letter, err := a.letters.ComposeDelivery(ctx, benchClaimed(0, now()), e)
	return len(letter.Data), err
}

func benchClaimed(n int64, prepared time.Time) newsletter.Claimed {
	return newsletter.Claimed{
		Ticket: newsletter.Ticket{ID: n + 1, Lease: 1}, Email: fmt.Sprintf("reader%d@d%d.example", n, n%997), Issue: 1, Number: 1, Edition: 1,
		Subscriber: newsletter.SubscriberID(n + 1), Name: "독자", ConsentAt: prepared, PreparedAt: prepared,
	}
}

// writeDKIMKey makes a fresh key of the named kind.
func writeDKIMKey(path, kind string) error {
	var key any
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return usage("--dkim is rsa or ed25519, not %q", kind)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

package main

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"

	"techissue/mailer"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

const prefix = "TECHISSUE_"

// Config is every setting of the environment. The tags are the whole truth: .env.example and `config show` are made of them.
// A setting marked secret has a twin ending in _FILE that names a file holding it.
type Config struct {
	Addr         string `env:"ADDR" envDefault:"127.0.0.1:8080" help:"public listener"`
	BaseURL      string `env:"BASE_URL" envDefault:"http://localhost:8080" help:"every link in mails and pages is built from it; https is required for sending unless it is loopback"`
	InternalAddr string `env:"INTERNAL_ADDR" envDefault:"127.0.0.1:9090" help:"/metrics and /debug/pprof; none turns it off"`
	Data         string `env:"DATA" envDefault:"./data" help:"folder of the SQLite file, uploads and generated secrets"`
	DB           string `env:"DB" secret:"true" help:"a path, or postgres://…; default: techissue.db in the data folder"`
	Secret       string `env:"SECRET" secret:"true" help:"comma-separated, the first signs, all verify; generated into the data folder when unset; must be set with PostgreSQL"`

	SMTPURL         string  `env:"SMTP_URL" secret:"true" help:"smtp://user:pass@host:587 (STARTTLS), smtps://…:465, smtp+insecure://host:port (plaintext)"`
	SMTPConnections int     `env:"SMTP_CONNECTIONS" envDefault:"8" help:"open connections at most, per node"`
	SMTPRate        float64 `env:"SMTP_RATE" envDefault:"0" help:"letters per second per node, 0 = as fast as the server takes them"`
	From            string  `env:"FROM" help:"sender, e.g. 테크잇슈 <letter@example.kr>"`
	ReplyTo         string  `env:"REPLY_TO" help:"where answers go"`
	ListID          string  `env:"LIST_ID" help:"stable ASCII name of the list, e.g. letter.example.kr; default: the host of the base URL"`
	BounceDomain    string  `env:"BOUNCE_DOMAIN" help:"domain of signed envelope senders; empty uses the sender's address"`
	BounceListen    string  `env:"BOUNCE_LISTEN" help:"where bounces and complaints are taken by SMTP (host:port) or LMTP (a socket's path, lmtp://host:port)"`
	FeedbackIMAPURL string  `env:"FEEDBACK_IMAP_URL" secret:"true" help:"mailbox to poll for bounces and answers: imaps://user:password@host/INBOX?move=folder&every=1m"`
	FeedbackToken   string  `env:"FEEDBACK_TOKEN" secret:"true" help:"secret in the address of provider notices, https://…/hooks/feedback/{ses|mailgun|postmark|sendgrid}/TOKEN; comma-separated, any opens"`
	MailgunKey      string  `env:"FEEDBACK_MAILGUN_KEY" secret:"true" help:"Mailgun's HTTP webhook signing key"`
	SendGridKey     string  `env:"FEEDBACK_SENDGRID_KEY" help:"verification key of SendGrid's signed event webhook"`
	DKIMDomain      string  `env:"DKIM_DOMAIN" help:"signing domain; off when unset"`
	DKIMSelector    string  `env:"DKIM_SELECTOR" help:"selector of the public key in DNS"`
	DKIMKeyFile     string  `env:"DKIM_KEY_FILE" help:"private key in PEM"`

	BackupTo            string `env:"BACKUP_TO" help:"second place for scheduled backups: a folder, best on another disk or machine"`
	TrustedProxies      string `env:"TRUSTED_PROXIES" help:"CIDRs whose X-Forwarded-For counts, comma-separated"`
	LegalName           string `env:"LEGAL_NAME" help:"상호: the footer's legal data, until the admin's settings say otherwise"`
	LegalRepresentative string `env:"LEGAL_REPRESENTATIVE" help:"대표"`
	LegalAddress        string `env:"LEGAL_ADDRESS" help:"주소"`
	LegalPhone          string `env:"LEGAL_PHONE" help:"전화"`
	LegalEmail          string `env:"LEGAL_EMAIL" help:"이메일"`

	Uncertain string        `env:"UNCERTAIN" envDefault:"resend_once" help:"letters with an unknown outcome: resend_once or hold"`
	StopGrace time.Duration `env:"STOP_GRACE" envDefault:"30s" help:"time for letters in flight at a stop"`
	Log       string        `env:"LOG" envDefault:"auto" help:"auto, text or json"`
	LogLevel  string        `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	TZ        string        `env:"TZ" envDefault:"Asia/Seoul" help:"of days and dates"`

	AdminEmail    string `env:"ADMIN_EMAIL" help:"first owner, for containers"`
	AdminPassword string `env:"ADMIN_PASSWORD" secret:"true" help:"the first owner's password"`

	origin  map[string]string // by name: default, .env, environment, file, flag
	envFile string            // where .env was looked for
	loc     *time.Location
	from    mail.Address
	relay   *mailer.Transport
	dkim    *mailer.DKIM
	proxy   []netip.Prefix
	bounce  *feedback.Address // where the bounce listener listens; nil: nowhere
	inbox   *feedback.Mailbox // the mailbox to poll; nil: none
	tokens  []string          // that open the address of provider notices
	events  *ecdsa.PublicKey  // SendGrid's
}

// settingFault is one thing wrong with one setting.
type settingFault struct{ name, text, example string }

type settingFaults []settingFault

func (f settingFaults) Error() string {
	lines := make([]string, len(f))
	for i, s := range f {
		lines[i] = fmt.Sprintf("%s: %s (for example %s)", s.name, s.text, s.example)
	}
	return strings.Join(lines, "\n")
}

// field is one setting with its tags.
type field struct {
	name, help, def string
	secret          bool
	value           reflect.Value
}

func (c *Config) fields() []field {
	v := reflect.ValueOf(c).Elem()
	var out []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if name := tag.Get("env"); name != "" {
			out = append(out, field{prefix + name, tag.Get("help"), tag.Get("envDefault"), tag.Get("secret") == "true", v.Field(i)})
		}
	}
	return out
}

// loadConfig reads flags over the environment over .env over defaults. Its error is settingFaults with everything that is wrong.
func loadConfig(environ []string, dotenv string, flags map[string]string) (*Config, []string, error) {
	c := &Config{origin: map[string]string{}, envFile: dotenv}
	values := map[string]string{}
	file, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, settingFaults{{dotenv, "cannot be read: " + err.Error(), "NAME=value on each line"}}
	}
	take := func(origin string, set map[string]string) {
		for name, value := range set {
			if strings.HasPrefix(name, prefix) {
				values[name], c.origin[name] = value, origin
			}
		}
	}
	take(".env", file)
	own := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		own[name] = value
	}
	take("environment", own)
	take("flag", flags)
	var faults settingFaults
	for _, f := range c.fields() {
		path := values[f.name+"_FILE"]
		if !f.secret || path == "" || values[f.name] != "" {
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, settingFault{f.name + "_FILE", "cannot be read: " + err.Error(), "/run/secrets/name"})
			continue
		}
		values[f.name], c.origin[f.name] = strings.TrimSpace(string(raw)), "file"
	}
	for name, value := range values {
		if value == "" && name != prefix+"INTERNAL_ADDR" {
			delete(values, name) // NAME= in a .env means unset
		}
	}
	// One setting at a time, so that each fault is told.
	err = env.ParseWithOptions(c, env.Options{Environment: values, Prefix: prefix})
	var agg env.AggregateError
	if errors.As(err, &agg) {
		for _, e := range agg.Errors {
			var pe env.ParseError
			if errors.As(e, &pe) {
				sf, _ := reflect.TypeFor[Config]().FieldByName(pe.Name)
				faults = append(faults, settingFault{prefix + sf.Tag.Get("env"), "cannot be understood: " + pe.Err.Error(), sf.Tag.Get("envDefault")})
			}
		}
	}
	if v, ok := values[prefix+"INTERNAL_ADDR"]; ok && v == "" {
		c.InternalAddr = ""
	}
	faults = append(faults, c.judge()...)
	warnings := c.unknown(values)
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b settingFault) int { return strings.Compare(a.name, b.name) })
		return c, warnings, faults
	}
	return c, warnings, nil
}

// judge checks what a setting means, and derives what the program uses.
func (c *Config) judge() settingFaults {
	return append(c.judgeValues(), c.judgeFiles()...)
}

// judgeValues looks at nothing but the values themselves.
func (c *Config) judgeValues() (faults settingFaults) {
	bad := func(name, text, example string) { faults = append(faults, settingFault{prefix + name, text, example}) }
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		bad("BASE_URL", "is not http(s)://host", "https://letter.example.kr")
	} else {
		c.BaseURL = strings.TrimRight(c.BaseURL, "/")
		if c.ListID == "" {
			c.ListID = u.Hostname()
		}
	}
	if c.SMTPURL != "" {
		t, err := mailer.ParseTransport(c.SMTPURL)
		if err != nil {
			bad("SMTP_URL", err.Error(), "smtp://user:password@smtp.example.kr:587")
		} else {
			c.relay = &t
		}
	}
	if c.SMTPConnections < 1 || c.SMTPConnections > 500 {
		bad("SMTP_CONNECTIONS", "is not between 1 and 500", "8")
	}
	if c.SMTPRate < 0 {
		bad("SMTP_RATE", "is negative", "14")
	}
	if c.From != "" {
		a, err := mail.ParseAddress(c.From)
		if err == nil {
			_, err = newsletter.ParseAddress(a.Address)
		}
		if err != nil {
			bad("FROM", "is not an address", "테크잇슈 <letter@example.kr>")
		} else {
			c.from = *a
		}
	}
	if c.ReplyTo != "" {
		if a, err := mail.ParseAddress(c.ReplyTo); err != nil {
			bad("REPLY_TO", "is not an address", "hello@example.kr")
		} else {
			c.ReplyTo = a.Address
		}
	}
	if strings.ContainsFunc(c.ListID, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>@\"", r) }) {
		bad("LIST_ID", "is not a plain ASCII name", "letter.example.kr")
	}
	if c.Uncertain != string(newsletter.ResendOnce) && c.Uncertain != string(newsletter.Hold) {
		bad("UNCERTAIN", "is neither resend_once nor hold", "resend_once")
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.Log) {
		bad("LOG", "is not auto, text or json", "auto")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("LOG_LEVEL", "is not debug, info, warn or error", "info")
	}
	if c.loc, err = time.LoadLocation(c.TZ); err != nil {
		bad("TZ", "is no time zone", "Asia/Seoul")
		c.loc = time.UTC
	}
	for p := range strings.SplitSeq(c.TrustedProxies, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		net, err := netip.ParsePrefix(p)
		if err != nil {
			bad("TRUSTED_PROXIES", fmt.Sprintf("%q is no CIDR", p), "10.0.0.0/8,127.0.0.1/32")
			continue
		}
		c.proxy = append(c.proxy, net)
	}
	if c.postgres() && c.Secret == "" {
		bad("SECRET", "must be set with PostgreSQL, so that all nodes share it", "$(openssl rand -hex 32)")
	}
	return append(faults, c.judgeFeedback()...)
}

// judgeFiles checks what has to be readable or writable.
func (c *Config) judgeFiles() (faults settingFaults) {
	bad := func(name, text, example string) { faults = append(faults, settingFault{prefix + name, text, example}) }
	set := 0
	for _, v := range []string{c.DKIMDomain, c.DKIMSelector, c.DKIMKeyFile} {
		if v != "" {
			set++
		}
	}
	switch {
	case set > 0 && set < 3:
		for name, v := range map[string]string{"DKIM_DOMAIN": c.DKIMDomain, "DKIM_SELECTOR": c.DKIMSelector, "DKIM_KEY_FILE": c.DKIMKeyFile} {
			if v == "" {
				bad(name, "is missing: DKIM needs domain, selector and key", "see docs/operations.md")
			}
		}
	case set == 3:
		raw, err := os.ReadFile(c.DKIMKeyFile)
		if err == nil {
			c.dkim, err = mailer.NewDKIM(c.DKIMDomain, c.DKIMSelector, raw)
		}
		if err != nil {
			bad("DKIM_KEY_FILE", err.Error(), "./data/dkim.pem")
		}
	}
	if strings.Contains(c.BackupTo, "://") {
		bad("BACKUP_TO", "is no folder: buckets are not there yet", "/mnt/other-disk/letter")
	} else if c.BackupTo != "" {
		if err := writable(c.BackupTo); err != nil {
			bad("BACKUP_TO", "cannot be written: "+err.Error(), "/mnt/other-disk/letter")
		}
	}
	if err := writable(c.Data); err != nil {
		bad("DATA", "cannot be written: "+err.Error(), "./data")
	}
	return faults
}

// writable makes the folder and tries it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

func (c *Config) postgres() bool {
	return strings.HasPrefix(c.DB, "postgres://") || strings.HasPrefix(c.DB, "postgresql://")
}

// database is what db.Open takes.
func (c *Config) database() string {
	if c.DB == "" {
		return filepath.Join(c.Data, "techissue.db")
	}
	return c.DB
}

// unknown warns of names that are no settings, with the nearest one.
func (c *Config) unknown(values map[string]string) (warnings []string) {
	// Settings of parts to come are known names, and the clock of test builds is one.
	known := map[string]bool{prefix + "CLOCK_FILE": true, prefix + "TEST_PG": true}
	for _, later := range []string{
		"BACKUP_PASSPHRASE", "UPLOADS", "AUTOCERT", "AUTOCERT_EMAIL",
	} {
		known[prefix+later], known[prefix+later+"_FILE"] = true, true
	}
	var names []string
	for _, f := range c.fields() {
		names = append(names, f.name)
		known[f.name] = true
		if f.secret {
			known[f.name+"_FILE"] = true
		}
	}
	for name := range values {
		if known[name] {
			continue
		}
		best, distance := "", 4
		for _, n := range names {
			if d := edits(name, n); d < distance {
				best, distance = n, d
			}
		}
		w := name + " is no setting"
		if best != "" {
			w += ": did you mean " + best + "?"
		}
		warnings = append(warnings, w)
	}
	slices.Sort(warnings)
	return warnings
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// sendingRefused says why no letter may leave: nothing to send through, or links that readers could not open safely.
func (c *Config) sendingRefused() error {
	refuse := func(text string) error {
		return &newsletter.Error{Kind: newsletter.Unavailable, Code: "sending_refused", Msg: text}
	}
	u, _ := url.Parse(c.BaseURL)
	switch {
	case c.relay == nil:
		return refuse("메일을 보낼 서버(TECHISSUE_SMTP_URL)가 정해지지 않았어요.")
	case c.From == "":
		return refuse("보내는 주소(TECHISSUE_FROM)가 정해지지 않았어요.")
	case u == nil || u.Scheme != "https" && !loopbackHost(u.Hostname()):
		return refuse("사이트 주소(TECHISSUE_BASE_URL)가 https가 아니라서 보낼 수 없어요.")
	}
	return nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func loopbackHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// house is who sends, as the environment says.
func (c *Config) house() newsletter.House {
	name := c.from.Name
	if name == "" {
		name = "테크잇슈"
	}
	return newsletter.House{
		SiteName: name, Tagline: "쉽고 재밌는 IT 트렌드 레터", Author: "이재훈", AuthorLine: "쉽고 재밌는 IT 트렌드 레터 ‘테크잇슈’를 만들어요.",
		BaseURL: c.BaseURL, From: c.from.Address, FromName: name, ReplyTo: c.ReplyTo, ListID: c.ListID, Bounce: c.BounceDomain, MailLeave: c.mailLeave(),
		Legal: newsletter.Legal{Name: c.LegalName, Representative: c.LegalRepresentative, Address: c.LegalAddress, Phone: c.LegalPhone, Email: c.LegalEmail},
	}
}

// example is .env.example: every setting with a comment.
func example() []byte {
	var b bytes.Buffer
	b.WriteString("# Settings of techissue. Flags win over the environment, the environment over this file, this file over defaults.\n# A secret can stand in a file instead: NAME_FILE=/run/secrets/name.\n")
	for _, f := range new(Config).fields() {
		mark := ""
		if f.secret {
			mark = " (secret)"
		}
		fmt.Fprintf(&b, "\n# %s%s\n#%s=%s\n", f.help, mark, f.name, f.def)
	}
	return b.Bytes()
}

// Package settings reads the app's settings from the environment, where Azure Functions puts them.
package settings

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
)

// Settings are what the handler runs with.
type Settings struct {
	Port int // to listen on, on loopback

	StorageConnection string // either this
	StorageURI        string // or this, with the identity
	StorageClientID   string // of the user-assigned identity for the storage; empty: the app's own

	GraphEndpoint string
	GraphScope    string
	Cloud         Cloud

	Streams    []entra.Stream
	Passes     []time.Duration
	AlertAfter time.Duration
	Backfill   time.Duration
	RunBudget  time.Duration

	ArchiveRequestsPer10s  int // the archive's share of Graph's reporting ceiling
	SnapshotRequestsPer10s int // the directory snapshot's

	Retention purge.Retention

	Grace          time.Duration // for which a user counts as active after being restored or enabled; 0: none
	SnapshotGroups []string      // ids of groups whose members are stored with snapshots of the directory

	PublicBaseURL string // without a slash at the end; empty: from X-Forwarded-Host

	RequireRoles  bool // callers of HTTP functions need an app role
	Authenticated bool // App Service reports that its authentication is in front of the app
	// PartsKey encrypts parts of Identity Manager's requests that wait; nil: they are refused.
	PartsKey           []byte
	PartsKeyUnresolved bool // it is a reference to Key Vault that the platform could not resolve
	// AttributeAudits says that a function key alone opens audits of custom security attributes.
	AttributeAudits bool
}

// Cloud is one of Microsoft's clouds.
type Cloud struct {
	Name          string
	GraphEndpoint string
	LoginEndpoint string
	OtherGraphs   []string // further endpoints of Microsoft Graph in the cloud
}

// Clouds are the clouds that can be named by AZURE_CLOUD. The US Government's has two endpoints: L4
// (GCC High), and L5 (DoD), which has to be named by GRAPH_ENDPOINT.
// Source: learn.microsoft.com/graph/deployments.
func Clouds() []Cloud {
	return []Cloud{
		{"AzureCloud", "https://graph.microsoft.com", "https://login.microsoftonline.com/", nil},
		{"AzureUSGovernment", "https://graph.microsoft.us", "https://login.microsoftonline.us/",
			[]string{"https://dod-graph.microsoft.us"}},
		{"AzureChinaCloud", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn/", nil},
	}
}

// graphScope is the scope of the token for an endpoint: its own, if it is one of Microsoft's;
// another one, as a gateway or a simulated tenant, takes that of the cloud. Source:
// learn.microsoft.com/graph/sdks/national-clouds, "Permission scopes".
func graphScope(endpoint string, cloud Cloud) string {
	for _, c := range Clouds() {
		for _, known := range append([]string{c.GraphEndpoint}, c.OtherGraphs...) {
			if strings.EqualFold(endpoint, known) || strings.EqualFold(endpoint, known+":443") {
				return known + "/.default"
			}
		}
	}
	return cloud.GraphEndpoint + "/.default"
}

// Load reads the settings through getenv (os.Getenv). Its error has one line for each setting that
// can't be understood.
func Load(getenv func(string) string) (Settings, error) {
	var (
		s    Settings
		errs []error
	)
	for _, setting := range All() {
		value := strings.TrimSpace(getenv(setting.Name))
		if value == "" {
			value = setting.Default
		}
		if value == "" {
			continue
		}
		if err := setting.read(&s, value); err != nil {
			shown := strconv.Quote(bare(value))
			if setting.Secret || holdsKey(value) {
				shown = "(not shown)"
			}
			errs = append(errs, fmt.Errorf("setting %s is %s: %w; accepted is %s", setting.Name, shown, err,
				setting.Accepts))
		}
	}
	if (s.StorageConnection == "") == (s.StorageURI == "") && len(errs) == 0 {
		errs = append(errs, errors.New("setting ARCHIVE_STORAGE__tableServiceUri is needed "+
			"(https://<account>.table.core.windows.net), "+
			"or ARCHIVE_STORAGE with a connection string for Azurite; one of the two"))
	}
	if s.GraphEndpoint == "" {
		s.GraphEndpoint = s.Cloud.GraphEndpoint
	}
	s.GraphScope = graphScope(s.GraphEndpoint, s.Cloud)
	s.Authenticated = isOn(getenv(authEnabled))
	return s, errors.Join(errs...)
}

func readPort(s *Settings, v string) error {
	port, err := strconv.Atoi(v)
	if err != nil || port < 1 || port > 65535 {
		return errors.New("not a port")
	}
	s.Port = port
	return nil
}

func readStorageURI(s *Settings, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("not an https address")
	}
	s.StorageURI = v
	return nil
}

func readCloud(s *Settings, v string) error {
	for _, c := range Clouds() {
		if strings.EqualFold(c.Name, v) {
			s.Cloud = c
			return nil
		}
	}
	return errors.New("no such cloud")
}

func readEndpoint(s *Settings, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.Scheme != "https" &&
		!(u.Scheme == "http" && slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, u.Hostname())) {
		return errors.New("not an address that a token may be sent to")
	}
	s.GraphEndpoint = strings.TrimRight(v, "/")
	return nil
}

func readShares(s *Settings, v string) error {
	archive, snapshot, found := strings.Cut(v, ",")
	a, errA := strconv.Atoi(strings.TrimSpace(archive))
	b, errB := strconv.Atoi(strings.TrimSpace(snapshot))
	if !found || errA != nil || errB != nil || a < 1 || b < 1 {
		return errors.New("not two shares")
	}
	s.ArchiveRequestsPer10s, s.SnapshotRequestsPer10s = a, b
	return nil
}

func readStreams(s *Settings, v string) error {
	s.Streams = nil
	for name := range strings.SplitSeq(v, ",") {
		stream, err := logs.Parse(strings.TrimSpace(name))
		if err != nil {
			return fmt.Errorf("%q is no stream", strings.TrimSpace(name))
		}
		if logs.Of(stream).Delivered {
			return fmt.Errorf("%q is not collected: who has the log sends it", stream)
		}
		if slices.Contains(s.Streams, stream) {
			return fmt.Errorf("%q stands twice", stream)
		}
		s.Streams = append(s.Streams, stream)
	}
	return nil
}

func readBackfill(s *Settings, v string) (err error) {
	s.Backfill, err = duration(v, 0, 7300*24*time.Hour)
	return err
}

// LongestBudget is the longest that a run may be given: what it ends behind its budget comes before
// functionTimeout in host.json, too.
const LongestBudget = 20 * time.Minute

func readBudget(s *Settings, v string) (err error) {
	s.RunBudget, err = duration(v, 10*time.Second, LongestBudget)
	return err
}

func readPasses(s *Settings, v string) error {
	s.Passes = nil
	for text := range strings.SplitSeq(v, ",") {
		age, err := duration(strings.TrimSpace(text), time.Hour, 29*24*time.Hour)
		if err != nil {
			return fmt.Errorf("%q is %w", strings.TrimSpace(text), err)
		}
		if n := len(s.Passes); n > 0 && age <= s.Passes[n-1] {
			return fmt.Errorf("%q is not longer than the one before", strings.TrimSpace(text))
		}
		s.Passes = append(s.Passes, age)
	}
	if len(s.Passes) > ledger.MaxPasses {
		return fmt.Errorf("there are %d", len(s.Passes))
	}
	return nil
}

func readAlertAfter(s *Settings, v string) (err error) {
	s.AlertAfter, err = duration(v, 30*time.Minute, 30*24*time.Hour)
	return err
}

func readGrace(s *Settings, v string) (err error) {
	if s.Grace, err = duration(v, 0, 90*24*time.Hour); err == nil && s.Grace > 0 && s.Grace < 24*time.Hour {
		err = fmt.Errorf("%q is less than a day", v)
	}
	return err
}

func readGroups(s *Settings, v string) error {
	for id := range strings.SplitSeq(v, ",") {
		if id = strings.ToLower(strings.TrimSpace(id)); !groupID.MatchString(id) {
			return fmt.Errorf("%q is no object id", id)
		}
		s.SnapshotGroups = append(s.SnapshotGroups, id)
	}
	if len(s.SnapshotGroups) > 20 {
		return fmt.Errorf("there are %d", len(s.SnapshotGroups))
	}
	return nil
}

var groupID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func readRetention(s *Settings, v string) error {
	s.Retention.Default, s.Retention.By = 0, make(map[entra.Stream]time.Duration)
	for i, part := range strings.Split(v, ",") {
		name, text, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			text = name
		}
		var (
			keep time.Duration
			err  error
		)
		if text != "forever" {
			if keep, err = duration(text, purge.LeastRetention, 36500*24*time.Hour); err != nil {
				return fmt.Errorf("%q is %w", part, err)
			}
		}
		switch {
		case !named && i == 0:
			s.Retention.Default = keep
		case !named:
			return fmt.Errorf("%q names no stream", part)
		default:
			stream, err := logs.Parse(name)
			if err != nil {
				return fmt.Errorf("%q is no stream", name)
			}
			if _, twice := s.Retention.By[stream]; twice {
				return fmt.Errorf("%q stands twice", stream)
			}
			s.Retention.By[stream] = keep
		}
	}
	return nil
}

func readHolds(s *Settings, v string) error {
	s.Retention.Holds = nil
	for part := range strings.SplitSeq(v, ",") {
		name, span, _ := strings.Cut(strings.TrimSpace(part), "=")
		first, last, _ := strings.Cut(span, "/")
		from, errFrom := time.Parse(time.DateOnly, first)
		to, errTo := time.Parse(time.DateOnly, last)
		if errFrom != nil || errTo != nil || to.Before(from) {
			return fmt.Errorf("%q is no span of days", part)
		}
		h := purge.Hold{From: from, To: to.AddDate(0, 0, 1)}
		if name != "*" {
			stream, err := logs.Parse(name)
			if err != nil {
				return fmt.Errorf("%q is no stream", name)
			}
			h.Stream = stream
		}
		s.Retention.Holds = append(s.Retention.Holds, h)
	}
	return nil
}

func readBaseURL(s *Settings, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("not an address")
	}
	s.PublicBaseURL = strings.TrimRight(v, "/")
	return nil
}

func readAuthorization(s *Settings, v string) error {
	if v != "key" && v != "entra" {
		return errors.New("neither")
	}
	s.RequireRoles = v == "entra"
	return nil
}

func readAttributeAudits(s *Settings, v string) error {
	if v != "deny" && v != "allow" {
		return errors.New("neither")
	}
	s.AttributeAudits = v == "allow"
	return nil
}

// partsKey is the setting of Settings.PartsKey.
const partsKey = "MIM_PARTS_KEY"

// partsKeyBytes is how long it is, as package mim needs it.
const partsKeyBytes = 32

func readPartsKey(s *Settings, v string) error {
	// The platform leaves a reference that it can't resolve as it is. Archiving must not stop for it.
	if s.PartsKeyUnresolved = strings.HasPrefix(v, "@Microsoft.KeyVault("); s.PartsKeyUnresolved {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(key) != partsKeyBytes {
		return errors.New("not 32 bytes in base64")
	}
	s.PartsKey = key
	return nil
}

// authEnabled is what App Service sets for an app whose authentication is on.
// Source: learn.microsoft.com/azure/app-service/reference-app-settings.
const authEnabled = "WEBSITE_AUTH_ENABLED"

// isOn reads a platform's flag: true in any case, or 1.
func isOn(v string) bool {
	v = strings.TrimSpace(v)
	return strings.EqualFold(v, "true") || v == "1"
}

// duration reads Go's durations and whole days: 8m, 36h, 30d.
func duration(v string, least, most time.Duration) (time.Duration, error) {
	var (
		d   time.Duration
		err error
	)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			d = time.Duration(n) * 24 * time.Hour
		} else {
			err = errors.New("not a number of days")
		}
	} else {
		d, err = time.ParseDuration(v)
	}
	if err != nil {
		return 0, errors.New("not a length of time")
	}
	if d < least || d > most {
		return 0, errors.New("out of range")
	}
	return d, nil
}

func names(streams []entra.Stream) string {
	texts := make([]string, len(streams))
	for i, s := range streams {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}

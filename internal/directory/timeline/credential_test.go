package timeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhenACredentialEntered(t *testing.T) {
	gone := new(CredentialSeen)
	base := CredentialSeen{
		Secret: true, Application: true, Object: "object", Owners: []string{"id-of-ada", "ada@contoso.com"},
		Start: noon(-40), End: noon(20), Used: true, Idle: noon(-20),
	}
	with := func(change func(*CredentialSeen)) *CredentialSeen {
		c := base
		change(&c)
		return &c
	}
	ends := func(at time.Time) *CredentialSeen { return with(func(c *CredentialSeen) { c.End = at }) }
	used := func(at time.Time) *CredentialSeen { return with(func(c *CredentialSeen) { c.Idle = at }) }
	dark := with(func(c *CredentialSeen) { c.Used, c.Idle = false, c.Start })
	endless := ends(time.Time{})
	young := with(func(c *CredentialSeen) { c.Start, c.Idle, c.End = noon(3), noon(3), noon(90) })
	planned := with(func(c *CredentialSeen) { c.Start, c.Used, c.End = noon(30), false, noon(90) })
	ownerless := with(func(c *CredentialSeen) { c.Owners, c.NoOwner = nil, true })
	eves := with(func(c *CredentialSeen) { c.Owners = []string{"id-of-eve"} })
	successor := with(func(c *CredentialSeen) { c.HasSuccessor = true })
	elsewhere := with(func(c *CredentialSeen) { c.Object, c.Application = "principal", false })
	expiring := func(days int) CredentialQuestion {
		return CredentialQuestion{Expiring: true, Within: time.Duration(days) * day}
	}
	unused := func(days int) CredentialQuestion {
		return CredentialQuestion{Unused: true, UnusedFor: time.Duration(days) * day}
	}

	for _, c := range []struct {
		what string
		q    CredentialQuestion
		days []*CredentialSeen
		want int
	}{
		{"whatever its state", CredentialQuestion{}, uses{gone, &base, &base}, 2},
		{"time passes", expiring(18), uses{&base, &base, &base}, 2},
		{"one that is uploaded late, and ends soon", expiring(30), uses{gone, gone, &base}, 3},
		{"one that ends on the very moment is expired", CredentialQuestion{Expired: true},
			uses{ends(noon(2)), ends(noon(2))}, 2},
		{"and no longer expiring", expiring(30), uses{ends(noon(2)), ends(noon(2))}, 0},
		{"an end that changes within the answer is not new", expiring(30),
			uses{&base, ends(noon(25)), ends(noon(9))}, 1},
		{"one that comes near", expiring(30), uses{ends(noon(200)), &base, &base}, 2},
		{"one that comes near after nobody could say", expiring(30), uses{ends(noon(200)), nil, &base}, 3},
		{"one that has an end now", expiring(30), uses{endless, &base}, 2},
		{"one without an end", expiring(3000), uses{endless, endless}, 0},
		{"expired after it was expiring, both asked for",
			CredentialQuestion{Expired: true, Expiring: true, Within: 30 * day},
			uses{ends(noon(2)), ends(noon(2)), ends(noon(2))}, 1},
		{"expired after it was expiring", CredentialQuestion{Expired: true},
			uses{ends(noon(3)), ends(noon(3)), ends(noon(3))}, 3},

		{"unused for long", unused(22), uses{&base, &base, &base, &base}, 3},
		{"unused until it was used", unused(10), uses{&base, used(noon(2)), used(noon(2))}, 0},
		{"used, and then not for a while", unused(7),
			uses{used(noon(1)), used(noon(2)), used(noon(2)), &base, &base}, 4},
		{"a use that is learned late, when the time is over again", unused(10),
			uses{&base, &base, used(noon(-9))}, 1},
		{"a use that is taken back", unused(10), uses{used(noon(0)), &base, &base}, 2},
		{"use that was not disclosed breaks no run", unused(10), uses{&base, dark, &base}, 1},
		{"nor is it no use", unused(10), uses{&base, &base, dark}, 0},
		{"nor does a run begin with it", unused(21), uses{&base, dark, &base, &base}, 3},
		{"one that begins in the future is not unused", unused(7), uses{young, young, young}, 0},
		{"nor where use is not disclosed", unused(7),
			uses{planned, used(noon(-20))}, 2},
		{"expiring, whatever its use",
			CredentialQuestion{Expiring: true, Unused: true, Within: 30 * day, UnusedFor: 10 * day},
			uses{dark, dark}, 1},
		{"expiring from the very moment on, whatever its use",
			CredentialQuestion{Expiring: true, Unused: true, Within: 18 * day, UnusedFor: 10 * day},
			uses{dark, dark, dark}, 2},
		{"expiring, after it was used each day",
			CredentialQuestion{Expiring: true, Unused: true, Within: 18 * day, UnusedFor: 7 * day},
			uses{used(noon(1)), used(noon(2)), used(noon(3)), used(noon(4))}, 2},
		{"expiring, after it was unused",
			CredentialQuestion{Expiring: true, Unused: true, Within: 17 * day, UnusedFor: 7 * day},
			uses{&base, &base, used(noon(3)), used(noon(4))}, 1},

		{"no longer with a successor", CredentialQuestion{Successor: new(false)}, uses{&base, successor, &base}, 3},
		{"with a successor", CredentialQuestion{Successor: new(false)}, uses{&base, successor}, 0},
		{"self-rotating", CredentialQuestion{SelfRotating: new(true)},
			uses{&base, with(func(c *CredentialSeen) { c.SelfRotating = true })}, 2},
		{"a kind", CredentialQuestion{Secret: new(false)},
			uses{&base, with(func(c *CredentialSeen) { c.Secret = false })}, 2},
		{"an origin", CredentialQuestion{Application: new(false)}, uses{&base, elsewhere}, 2},
		{"no owner", CredentialQuestion{Ownerless: new(true)}, uses{&base, nil, ownerless, ownerless}, 3},
		{"an owner, by name", CredentialQuestion{Owner: "ADA@contoso.com"}, uses{eves, &base, &base}, 2},
		{"an owner, by id, who was away", CredentialQuestion{Owner: "id-of-ada"}, uses{&base, eves, &base}, 3},
		{"another owner beside", CredentialQuestion{Owner: "id-of-ada"},
			uses{&base, with(func(c *CredentialSeen) { c.Owners = append(c.Owners[:2:2], "id-of-eve") })}, 1},
		{"somebody else's", CredentialQuestion{Owner: "id-of-eve"}, uses{eves, &base}, 0},
		{"an exception by the object that is lost", CredentialQuestion{Objects: []string{"OBJECT"}},
			uses{&base, elsewhere, elsewhere}, 2},
		{"an exception by the object", CredentialQuestion{Objects: []string{"object"}}, uses{&base}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			on := daily(t, len(c.days))
			line := lived(t, on, Credential.Next, gone, c.days...)
			asked, err := c.q.On(on)
			require.NoError(t, err)
			got, ok := asked.Entered(line)
			require.Equal(t, c.want > 0, ok)
			if ok {
				require.Equal(t, c.want, got)
			}
		})
	}
}

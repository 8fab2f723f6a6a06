import { to, place } from "../../state";
import type { View } from "../list";
import { Application } from "./application";
import { Credentials } from "./credentials";
import { Person } from "./person";
import { Users } from "./users";

export const directory: View = {
  id: "directory", title: "Directory", about: "Who is inactive, which credentials end, and what is known of a person or an application.",
  icon: "M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.500c.6-3 3-4.500 6-4.500s5.400 1.500 6 4.500", Page,
};

function Page() {
  const [kind = "users", id = ""] = place.value.part.split(/\/(.*)/s);
  const tab = kind === "user" ? "users" : kind === "application" ? "credentials" : kind || "users";
  return (
    <>
      <nav class="tabs" aria-label="Directory">
        <a href={to("directory", "users")} aria-current={tab === "users" ? "page" : undefined}>Users</a>
        <a href={to("directory", "credentials")} aria-current={tab === "credentials" ? "page" : undefined}>Credentials</a>
      </nav>
      {kind === "user" ? <Person key={id} id={id} />
        : kind === "application" ? <Application key={id} id={id} />
          : kind === "credentials" ? <Credentials /> : <Users />}
    </>
  );
}

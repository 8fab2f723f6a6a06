import type { ComponentType } from "preact";
import { coverage } from "./coverage";
import { directory } from "./directory";
import { reports } from "./reports";
import { search } from "./search";
import { settings } from "./settings";
import { today } from "./today";

/** A view of the page: a folder beside this file, and a line in the list. */
export interface View {
  id: string; // its folder's name; in the address's fragment
  title: string;
  about: string; // one sentence under the title
  icon: string; // the path of a drawing of 20 x 20
  Page: ComponentType;
}

/** All views, in the order of the menu; the first one is where a reader begins. */
export const views: View[] = [
  today,
  coverage,
  search,
  directory,
  reports,
  settings,
];

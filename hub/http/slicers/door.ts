// The door for slicers that upload to OctoPrint: PrusaSlicer, OrcaSlicer, SuperSlicer, Cura. Their API
// key is a token of ours.

import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { DoorDeps, Handler } from "../door.ts";
import {
  slicerFile,
  slicerFileAsked,
  slicerFiles,
  slicerJob,
  slicerJobAsked,
  slicerLogin,
  slicerPrinter,
  slicerProfiles,
  slicerServer,
  slicerSettings,
  slicerUser,
  slicerVersion,
} from "./status.ts";
import { slicerUploaded } from "./upload.ts";

/** Before each path: the address of one printer, as a slicer is told it. */
export const SLICER_PREFIX = "/octoprint/:printer";

export const slicerHandlers = (deps: DoorDeps): Partial<Record<RouteName, Handler>> => ({
  slicerVersion: slicerVersion(),
  slicerServer: slicerServer(),
  slicerLogin,
  slicerUser,
  slicerSettings: slicerSettings(deps),
  slicerProfiles: slicerProfiles(deps),
  slicerPrinter: slicerPrinter(deps),
  slicerJob: slicerJob(deps),
  slicerJobAsked: slicerJobAsked(deps),
  slicerFiles: slicerFiles(deps),
  slicerLocalFiles: slicerFiles(deps),
  slicerUploaded: slicerUploaded(deps),
  slicerFile: slicerFile(deps),
  slicerFileAsked: slicerFileAsked(deps),
});

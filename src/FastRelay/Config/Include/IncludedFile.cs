namespace FastRelay.Config;

/// <summary>A file that a configuration includes.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Text">What is in it; null when it cannot be read.</param>
/// <param name="Problem">Why it cannot; empty when it can.</param>
public sealed record IncludedFile(string Path, string? Text, string Problem = "");

/// <summary>
/// Finds and reads what an <c>include</c> names, in order of name. A pattern (<c>*</c> and <c>?</c> in the last part) that matches
/// nothing gives nothing; a plain name that is not there gives its problem.
/// </summary>
/// <param name="pattern">As it is written.</param>
/// <param name="folder">Where a relative one begins.</param>
public delegate IReadOnlyList<IncludedFile> IncludeFinder(string pattern, string folder);

namespace FastRelay.EndToEnd.Rig;

/// <summary>Finds what <c>eng/needs --tests</c> has installed or unpacked.</summary>
public static class Needs
{
    private static readonly string s_bin = Where("bin");

    /// <summary>The path of a program: unpacked ones before the system's.</summary>
    public static string Program(string name)
    {
        string path = Path.Combine(s_bin, name);
        return File.Exists(path) ? path : name;
    }

    /// <summary>A folder that <c>eng/needs --where NAME</c> knows.</summary>
    public static string Where(string name) =>
        Tool.Run(Path.Combine(Place.Root, "eng", "needs"), ["--where", name]).Ok().Output.Trim();
}

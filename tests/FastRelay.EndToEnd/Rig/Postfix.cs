namespace FastRelay.EndToEnd.Rig;

/// <summary>Where Postfix's programs are: installed, or unpacked by <c>eng/needs --tests</c> without running a daemon on the host.</summary>
public static class Postfix
{
    public static string Program(string name)
    {
        foreach (string folder in new[] { "/usr/sbin", "/usr/bin", "/usr/lib/postfix/sbin" })
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path))
            {
                return path;
            }
        }
        throw new FileNotFoundException($"{name} is missing: run eng/needs --tests");
    }
}

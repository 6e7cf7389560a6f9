"""By itself: no transaction locks two busy tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "9997_region")]
    operations = [migrations.AddField("jobstep", "cost", models.IntegerField(db_default=0))]
